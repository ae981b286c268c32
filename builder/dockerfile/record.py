"""Immutable values with named fields, cheap to define and to create.

`dataclasses` costs 16 ms to import and 0.7 ms per class; this package defines some fifty value
types, and a fully cached build has 250 ms for everything. The type checker sees the same thing:
`dataclass_transform` (PEP 681) gives every subclass a typed constructor.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_: object) -> object:
        """Stand-in at run time: the decorator only speaks to type checkers."""
        return lambda cls: cls


@dataclass_transform(frozen_default=True)
class Record:
    """Base of the value types: annotated names are fields, in order, base classes' first.

    Two records are equal when they are of the same class and all fields are. Assignment raises
    AttributeError; `replace` makes a changed copy.
    """

    if TYPE_CHECKING:
        __fields__: ClassVar[tuple[str, ...]]
        __defaults__: ClassVar[dict[str, Any]]
    else:
        __fields__ = ()
        __defaults__ = {}

    def __init_subclass__(cls) -> None:
        own = [
            name for name, kind in cls.__annotations__.items() if not kind.startswith("ClassVar")
        ]
        inherited = [name for name in cls.__fields__ if name not in own]
        cls.__fields__ = (*inherited, *own)
        cls.__defaults__ = {
            **cls.__defaults__,
            **{name: cls.__dict__[name] for name in own if name in cls.__dict__},
        }

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self.__fields__
        own = self.__dict__
        own.update(self.__defaults__)
        own.update(zip(fields, values))
        own.update(named)
        if len(own) != len(fields) or len(values) > len(fields):
            raise TypeError(f"{type(self).__name__} takes the fields {', '.join(fields)}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: use replace({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *(self.__dict__[name] for name in self.__fields__)))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self.__fields__)
        return f"{type(self).__name__}({shown})"

    def replace(self, **changes: Any) -> Self:
        """A copy with the given fields changed. Raises TypeError for an unknown field."""
        return type(self)(**{**self.__dict__, **changes})
