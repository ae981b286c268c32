"""Collects the operations of a plan while it is compiled."""

from __future__ import annotations

from pyoci.errors import HostError
from pyoci.plan.operations import MAX_SLOTS, Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyoci.plan.operations import Value


class Section:
    """A run of operations that is executed in one place: the stage, or the container."""

    __slots__ = ("operations",)

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def add(self, name: str, pointer: str, *values: Value, note: str = "") -> None:
        """Append an operation; ``values`` are in the order of its row in the operation table."""
        self.operations.append(Operation(name, pointer, values, note))


class PlanWriter:
    """The sections of a plan and the slots they share.

    ``host`` runs in the stage, in the caller's namespaces; ``entry`` and then ``container`` after
    the clone. ``sources`` opens trees of the host: in the stage, which has the caller's privileges;
    for a caller without CAP_SYS_ADMIN in the container after ``entry``, which has the privileges of
    its user namespace over its copy of the host's mounts.
    """

    __slots__ = ("_next_slot", "container", "entry", "host", "late", "privileged", "sources")

    def __init__(self, *, privileged: bool) -> None:
        self.privileged = privileged
        self.host = Section()
        self.sources = Section()
        self.entry = Section()
        self.container = Section()
        self.late: list[tuple[int, int, str]] = []
        self._next_slot = 0

    def operations(self, joins: Section, clone: Section) -> list[Operation]:
        """Give the whole plan, with what joins namespaces and clones in its place.

        Joining may cost the stage its privileges: it comes after everything that needs them.
        """
        sources = self.sources.operations
        return [
            *self.host.operations,
            *(sources if self.privileged else ()),
            *joins.operations,
            *clone.operations,
            *self.entry.operations,
            *(() if self.privileged else sources),
            *self.container.operations,
        ]

    def slot(self) -> int:
        """Give an unused slot.

        Raises HostError when a configuration needs more descriptors than the init has slots.
        """
        if self._next_slot >= MAX_SLOTS:
            raise HostError(
                f"the configuration needs more than {MAX_SLOTS} open mounts and files",
                hint="split the mounts of config.json over fewer, recursive bind mounts",
            )
        self._next_slot += 1
        return self._next_slot - 1


def join_cgroups(plan: PlanWriter, files: list[str], pointer: str) -> None:
    """Let the container's process join v1 cgroups by itself; the stage opens their files."""
    for path in files:
        slot = plan.slot()
        plan.host.add("open_cgroup", pointer, slot, path)
        plan.entry.add("join_cgroup", pointer, slot)
