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
    """The two sections of a plan and the slots they share.

    ``host`` runs in the caller's namespaces, ``container`` after the clone. ``sources`` is where
    trees of the host are opened: in the stage, which has the caller's privileges; a caller
    without CAP_SYS_ADMIN has them only inside its user namespace, where the container opens them
    from its copy of the host's mounts.
    """

    __slots__ = ("_next_slot", "container", "host", "late", "sources")

    def __init__(self, *, privileged: bool) -> None:
        self.host = Section()
        self.container = Section()
        self.sources = self.host if privileged else self.container
        self.late: list[tuple[int, int, str]] = []
        self._next_slot = 0

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
