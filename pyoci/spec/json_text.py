"""JSON text ↔ values (RFC 8259) within the hot path's import budget.

The `json` package costs more than the rest of a short command together; its C accelerator, which
does the work anyway, costs nothing and is driven directly here.

What the standard library accepts and the format does not is refused: NaN and Infinity, a byte order
mark, text that is not UTF-8. So are member names that occur twice (config.md wants them unique;
which one counts differs between parsers, and a checker and the runtime must see the same), and lone
surrogates, except the range by which Python stands for undecodable bytes of file names (PEP 383).
"""

from __future__ import annotations

from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner

from pyoci.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_WHITESPACE = " \t\n\r"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Refused(Exception):  # noqa: N818 -- never leaves this module
    """A value that is JSON to the scanner and not to us."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"the member {encode_basestring(twice)} occurs twice in one object")
    return members


def _no_constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is not a JSON value")


class _Context:
    """What the C scanner asks its decoder for."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_unique)
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_no_constant)


_scan = make_scanner(_Context)  # type: ignore[arg-type]


def decode(data: bytes, what: str = "the text") -> Any:
    """Give the value of a JSON text; ``what`` names it in errors, a file's path as a rule.

    Raises SpecError that says in which line and column the text stops being JSON.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _not_json(
            what,
            f"line {line}: byte {data[error.start]:#04x} is not UTF-8",
            "save the file as UTF-8",
        ) from None
    if data.startswith(_BYTE_ORDER_MARK):
        raise _not_json(what, "it begins with a byte order mark", "save it as UTF-8 without one")
    start = len(text) - len(text.lstrip(_WHITESPACE))
    try:
        value, end = _scan_value(text, start)
    except StopIteration as stop:
        raise _not_json(what, f"{_place(text, stop.value)}: a value is expected") from None
    except RecursionError:
        raise _not_json(what, "it is nested too deeply", "use fewer levels") from None
    except _Refused as refused:
        raise _not_json(what, str(refused)) from None
    except ValueError as error:
        raise _not_json(what, _reason(text, error)) from None
    if text[end:].strip(_WHITESPACE):
        end += len(text) - end - len(text[end:].lstrip(_WHITESPACE))
        raise _not_json(what, f"{_place(text, end)}: text follows the value")
    # Only an escape can make a lone surrogate: UTF-8 has none.
    if "\\ud" in text or "\\uD" in text:
        _refuse_surrogates(value, what)
    return value


def encode(value: Any, indent: int | None = None) -> str:
    """Give the JSON text of a value: compact, or with ``indent`` spaces a level, as Go writes it.

    The text can be encoded as UTF-8 whatever the strings hold: where they have surrogates it
    is ASCII with escapes, which `decode` gives back as they were.

    Raises TypeError for what JSON has no form for.
    """
    text = _compose(value, indent, encode_basestring)
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            return _compose(value, indent, encode_basestring_ascii)
    return text


def _compose(value: Any, indent: int | None, string: Any) -> str:
    if indent is not None:
        return _indented(value, " " * indent, "\n", string)
    encoder = make_encoder(None, _no_form, string, None, ":", ",", False, False, False)
    return "".join(encoder(value, 0))


def _indented(value: Any, step: str, newline: str, string: Any) -> str:
    inner = newline + step
    if isinstance(value, dict) and value:
        members = [
            f"{string(name)}: {_indented(member, step, inner, string)}"
            for name, member in value.items()
        ]
        return "{" + inner + ("," + inner).join(members) + newline + "}"
    if isinstance(value, list | tuple) and value:
        items = [_indented(item, step, inner, string) for item in value]
        return "[" + inner + ("," + inner).join(items) + newline + "]"
    return _compose(value, None, string)


def _no_form(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _scan_value(text: str, start: int) -> tuple[Any, int]:
    try:
        value, end = _scan(text, start)
    except SystemError:
        # Up to Python 3.12 the scanner raises json's exception only if somebody has imported it.
        import json.decoder  # noqa: F401

        value, end = _scan(text, start)
    return value, end


def _reason(text: str, error: ValueError) -> str:
    position = getattr(error, "pos", None)
    if position is None:
        # int() refuses thousands of digits (sys.set_int_max_str_digits).
        return "a number has too many digits"
    message = str(getattr(error, "msg", "it is damaged")).removesuffix(" at")
    return f"{_place(text, position)}: {message[:1].lower()}{message[1:]}"


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return f"line {line}, column {column}"


def _not_json(what: str, why: str, hint: str | None = None) -> SpecError:
    return SpecError(f"{what} is not JSON: {why}", hint=hint)


def _refuse_surrogates(value: Any, what: str) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending += item.keys()
            pending += item.values()
        elif isinstance(item, list):
            pending += item
        elif isinstance(item, str):
            try:
                item.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError:
                raise _not_json(
                    what,
                    f"{encode_basestring_ascii(item)} holds half of a surrogate pair",
                    "write the character itself, as UTF-8",
                ) from None
