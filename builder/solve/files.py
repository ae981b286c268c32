"""The files of origins as trees, opened at first use and closed with the build."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from builder.context.tree import Tree
from builder.dockerfile import MainContext, NamedContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from builder.dockerfile.steps import Origin
    from builder.snapshot import Snapshots
    from builder.solve.results import Result


class Files:
    """Trees of the build context, of named contexts and of mounted layers."""

    def __init__(self, context: Tree, open_snapshots: Callable[[], Snapshots]) -> None:
        self.context = context
        self._open_snapshots = open_snapshots
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._directories: dict[str, Tree] = {}
        self._views: dict[str, Tree] = {}
        self._stack.callback(context.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def directory(self, origin: Origin) -> Tree:
        """The files of a directory context. Raises ContextError."""
        if isinstance(origin, MainContext):
            return self.context
        assert isinstance(origin, NamedContext)
        with self._lock:
            tree = self._directories.get(origin.value)
            if tree is None:
                tree = Tree(origin.value, f"the context {origin.name}", is_context=True)
                self._stack.callback(tree.close)
                self._directories[origin.value] = tree
            return tree

    def view(self, result: Result, what: str) -> Tree:
        """The files of layers, mounted read-only; `what` names them in messages."""
        with self._lock:
            tree = self._views.get(result.chain)
            if tree is None:
                path = self._stack.enter_context(self._open_snapshots().view(result.layers))
                tree = Tree(path, what)
                self._stack.callback(tree.close)
                self._views[result.chain] = tree
            return tree
