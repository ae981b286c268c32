"""Rules by name become decisions by number, for one architecture.

Which rule decides when several fit one call: a rule without comparisons before those with; of two
without, the first; of several whose comparisons hold, the most restrictive, in the kernel's order
of actions. (libseccomp takes whichever comes first in its own order of comparisons.)
"""

from __future__ import annotations

from pyoci.seccomp.multiplexed import MULTIPLEXED
from pyoci.seccomp.parse import Comparison
from pyoci.seccomp.retired import RETIRED
from pyoci.seccomp.syscall_tables import load_table
from pyoci.seccomp.tables import ACTION_MASK, SEVERITY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyoci.seccomp.parse import Profile
    from pyoci.seccomp.tables import Architecture


class Alternative:
    """An action for a call whose comparisons all hold; ``pointer`` is its rule's."""

    __slots__ = ("action", "comparisons", "pointer")

    def __init__(self, action: int, comparisons: tuple[Comparison, ...], pointer: str) -> None:
        self.action = action
        self.comparisons = comparisons
        self.pointer = pointer

    def key(self) -> tuple[int, tuple[tuple[int, str, int, int], ...]]:
        """Give what makes two alternatives the same to a program."""
        return self.action, tuple(each.key() for each in self.comparisons)


class Calls:
    """What a profile says about the calls of one architecture.

    ``decisions`` has for each number the alternatives in the order to try; a call that none of them
    fits gets the default. ``newest`` is the highest number that the profile names, -1 without one.
    """

    __slots__ = ("architecture", "decisions", "newest")

    def __init__(
        self, architecture: Architecture, decisions: dict[int, list[Alternative]], newest: int
    ) -> None:
        self.architecture = architecture
        self.decisions = decisions
        self.newest = newest


def syscall_numbers(architecture: Architecture) -> dict[str, int]:
    """Give all names of an architecture with their numbers, those of retired calls too."""
    return {**RETIRED.get(architecture.table, {}), **load_table(architecture.table)}


def resolve(profile: Profile, architecture: Architecture) -> Calls:
    """Give the decisions of a profile for one architecture.

    Names that the architecture does not have are skipped: profiles are written for all of them.
    """
    numbers = syscall_numbers(architecture)
    found: dict[int, list[Alternative]] = {}
    hidden: dict[tuple[int, int, int], list[Alternative]] = {}
    for rule in profile.rules:
        for name in rule.names:
            alternative = Alternative(rule.action, rule.comparisons, rule.pointer)
            number = numbers.get(name)
            if number is not None:
                found.setdefault(number, []).append(alternative)
            if architecture.multiplexed and name in MULTIPLEXED:
                multiplexer, mask, argument = MULTIPLEXED[name]
                key = (numbers[multiplexer], mask, argument)
                hidden.setdefault(key, []).append(alternative)
    for (number, mask, argument), alternatives in hidden.items():
        found.setdefault(number, []).append(_unseen(alternatives, mask, argument))
    named = [
        number
        for name in profile.names
        if (number := numbers.get(name)) is not None and number < architecture.private
    ]
    decisions = {number: _in_order(alternatives) for number, alternatives in found.items()}
    return Calls(architecture, decisions, max(named, default=-1))


def _in_order(alternatives: list[Alternative]) -> list[Alternative]:
    for alternative in alternatives:
        if not alternative.comparisons:
            return [alternative]
    return sorted(alternatives, key=_severity)


def _severity(alternative: Alternative) -> int:
    return SEVERITY[alternative.action & ACTION_MASK]


def _unseen(alternatives: list[Alternative], mask: int, argument: int) -> Alternative:
    """Give what a multiplexed call comes to, whose arguments no filter sees.

    Its comparisons count as met: a rule that allows socket(2) for most families has to let 32-bit
    programs make sockets. So the mildest rule decides, where several would exclude each other.
    """
    chosen = _in_order(alternatives)[-1]
    comparison = Comparison(0, "MASKED_EQ", argument, mask=mask)
    return Alternative(chosen.action, (comparison,), chosen.pointer)
