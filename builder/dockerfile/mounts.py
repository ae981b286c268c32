"""The options of `RUN --mount`: a CSV record of `key=value` and bare keys.

https://docs.docker.com/reference/dockerfile/#run---mount
"""

from __future__ import annotations

from builder.dockerfile import golang
from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.record import Record
from builder.dockerfile.suggestions import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
SHARING = ("shared", "private", "locked")
_HAVE_OWNER = ("cache", "secret", "ssh")
_WRITABLE = ("cache", "tmpfs")
_MAY_BE_REQUIRED = ("secret", "ssh")
_ALIASES = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "ro": "readonly",
    "rw": "readwrite",
}
_KEYS = (
    *("type", "from", "source", "target", "readonly", "id", "sharing", "required", "size", "mode"),
    *("uid", "gid", "src", "dst", "destination", "ro", "rw", "readwrite", "env"),
)
_BINARY_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


class MountOptions(Record):
    """The options as written, after expansion; None and "" stand for an absent key.

    `env` may be "" when written so. `size` is in bytes, 0 for no limit.
    """

    type: str = "bind"
    from_: str = ""
    source: str = ""
    target: str = ""
    readonly: bool | None = None
    id: str = ""
    sharing: str = ""
    required: bool = False
    size: int = 0
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    env: str | None = None


def check_before_expansion(text: str) -> str:
    """The `from` of a mount, which is needed before variables are known.

    Raises DockerfileError for text that is no CSV record and for a variable in `from`.
    """
    from_ = ""
    for field in _fields(text):
        key, equals, value = field.partition("=")
        if equals and key.lower() == "from":
            if "$" in value[:-1]:
                raise DockerfileError(
                    "'from' doesn't support variable expansion, define alias stage instead",
                    near=field,
                    phase="instruction",
                    hint=f"write FROM {value} AS name and mount with from=name",
                )
            from_ = value
    return from_


def parse_mount(text: str, expand: Callable[[str], str]) -> MountOptions:
    """Parse the value of one `--mount`.

    Args:
        text: the CSV record.
        expand: expands the variables of one value.

    Raises:
        DockerfileError: unknown key or type, wrong value, keys that do not go together.
    """
    found: dict[str, object] = {"type": "bind"}
    for field in _fields(text):
        key, equals, value = field.partition("=")
        key = key.lower()
        name = _ALIASES.get(key, key)
        if not equals:
            found.update(_bare(name, field, found["type"]))
        else:
            found.update(_keyed(name, key, field, expand(value), found["type"]))
    if "from" in found:
        found["from_"] = found.pop("from")
    options = MountOptions().replace(**found)
    _check(options, text)
    if options.readonly is None:
        options = options.replace(readonly=options.type not in _WRITABLE)
    return options


def _fields(text: str) -> list[str]:
    """The fields of a CSV record (RFC 4180, one line)."""
    if not text:
        raise DockerfileError(
            "failed to parse csv mounts: EOF", near="--mount=", phase="instruction"
        )
    fields = []
    position = 0
    while True:
        if text.startswith('"', position):
            field, position = _quoted_field(text, position + 1)
        else:
            end = text.find(",", position)
            field = text[position:] if end < 0 else text[position:end]
            if '"' in field:
                raise _bad_csv(
                    f'column {position + field.index(chr(34)) + 1}: bare " in non-quoted field'
                )
            position += len(field)
        fields.append(field)
        if position >= len(text):
            return fields
        position += 1  # the comma
        if position == len(text):
            return [*fields, ""]


def _quoted_field(text: str, position: int) -> tuple[str, int]:
    """A field after its opening quote: its value, and where its comma or the end is."""
    out = ""
    while True:
        end = text.find('"', position)
        if end < 0:
            raise _bad_csv(f'column {len(text)}: extraneous or missing " in quoted-field')
        out += text[position:end]
        following = text[end + 1 : end + 2]
        if following != '"':
            if following not in ("", ","):
                raise _bad_csv(f'column {end + 1}: extraneous or missing " in quoted-field')
            return out, end + 1
        out += '"'
        position = end + 2


def _bad_csv(what: str) -> DockerfileError:
    return DockerfileError(
        f"failed to parse csv mounts: parse error on line 1, {what}",
        near="--mount",
        phase="instruction",
    )


def _bare(name: str, field: str, kind: object) -> dict[str, object]:
    """A key without a value."""
    if name in ("readonly", "readwrite"):
        return {"readonly": name == "readonly"}
    if name == "required":
        _only_for(_MAY_BE_REQUIRED, "required", kind, field)
        return {"required": True}
    raise DockerfileError(
        f"invalid field '{field}' must be a key=value pair",
        near=field,
        suggestion=""
        if name in _KEYS
        else did_you_mean(name, ("readonly", "readwrite", "required")),
    )


def _keyed(name: str, key: str, field: str, value: str, kind: object) -> dict[str, object]:
    """A key with its expanded value. `key` is the name as written, for messages."""
    if name == "type":
        if value.lower() not in TYPES:
            raise DockerfileError(
                f"unsupported mount type {golang.quote(value)}",
                near=field,
                suggestion=did_you_mean(value, TYPES),
            )
        return {"type": value.lower()}
    if name in ("from", "source", "target", "id", "env"):
        return {name: value}
    if name in ("readonly", "readwrite"):
        return {"readonly": _boolean(key, value, field) is (name == "readonly")}
    if name == "required":
        _only_for(_MAY_BE_REQUIRED, key, kind, field)
        return {"required": _boolean(key, value, field)}
    if name == "size":
        _only_for(("tmpfs",), key, kind, field)
        try:
            return {"size": parse_size(value)}
        except ValueError:
            raise DockerfileError(f"invalid value for {key}: {value}", near=field) from None
    if name == "sharing":
        if value.lower() not in SHARING:
            raise DockerfileError(
                f"unsupported sharing value {golang.quote(value)}",
                near=field,
                suggestion=did_you_mean(value, SHARING),
            )
        return {"sharing": value.lower()}
    if name in ("mode", "uid", "gid"):
        number = _unsigned(value, 8 if name == "mode" else 10)
        if number is None:
            raise DockerfileError(f"invalid value {value} for {key}", near=field)
        return {name: number}
    raise DockerfileError(
        f"unexpected key '{key}' in '{field}'",
        near=field,
        suggestion=did_you_mean(key, _KEYS),
    )


def _only_for(kinds: tuple[str, ...], key: str, kind: object, field: str) -> None:
    if kind not in kinds:
        raise DockerfileError(
            f"unexpected key '{key}' for mount type '{kind}'",
            near=field,
            hint=f"{key} goes with type={' or type='.join(kinds)}, which must stand before it",
        )


def _boolean(key: str, value: str, field: str) -> bool:
    truth = golang.parse_bool(value)
    if truth is None:
        raise DockerfileError(f"invalid value for {key}: {value}", near=field)
    return truth


def _unsigned(text: str, base: int) -> int | None:
    """strconv.ParseUint with 32 bits."""
    digits = "01234567" if base == 8 else "0123456789"
    if not text or len(text) > 64 or text.strip(digits):
        return None
    value = int(text, base)
    return value if value < 1 << 32 else None


def _check(options: MountOptions, text: str) -> None:
    """Keys that do not go together."""
    kind = options.type
    for key in ("mode", "uid", "gid"):
        if kind not in _HAVE_OWNER and getattr(options, key) is not None:
            raise DockerfileError(f'{key} not allowed for "{kind}" type mounts', near=f"{key}=")
    if kind == "secret":
        if options.from_:
            raise DockerfileError("secret mount should not have a from", near="from=")
        if options.sharing:
            raise DockerfileError("secret mount should not define sharing", near="sharing=")
        if not (options.source or options.target or options.id):
            raise DockerfileError(
                "invalid secret mount. one of source, target required",
                near=f"--mount={text}",
                hint="name the secret with id=",
            )
        if options.source and options.id:
            raise DockerfileError("both source and id can't be set", near=f"--mount={text}")
    if options.sharing and kind != "cache":
        raise DockerfileError(f"invalid cache sharing set for {kind} mount", near="sharing=")


def parse_size(text: str) -> int:
    """Bytes of `64m`, `1.5GiB`, `4096`: powers of 1024, b or ib may follow the letter.

    Raises ValueError.
    """
    number = text.rstrip("bBiIkKmMgGtTpP")
    suffix = text[len(number) :].lower()
    number = number.removesuffix(" ")
    if not number or not number.isascii() or number.strip("0123456789.") or len(number) > 32:
        raise ValueError(f"invalid size: {text!r}")
    scale = 1
    if suffix not in ("", "b"):
        if suffix[1:] not in ("", "b", "ib") or suffix[0] not in _BINARY_UNITS:
            raise ValueError(f"invalid size: {text!r}")
        scale = _BINARY_UNITS[suffix[0]]
    return int(float(number) * scale)
