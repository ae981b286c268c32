"""The configuration of an image while a stage is being read.

Members and their order are those of image-spec's config.md and Docker's three extensions
(Healthcheck, OnBuild, Shell); empty members are left out, as Go's `omitempty` does.
"""

from __future__ import annotations

from builder.dockerfile.platforms import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HISTORY_COMMENT = "buildkit.dockerfile.v0"
"""The comment of every history entry; tools recognise BuildKit's layer conventions by it."""

_CONFIG_MEMBERS = (
    *("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels"),
    *("StopSignal", "ArgsEscaped", "Healthcheck", "OnBuild", "Shell"),
)
_SETS = ("ExposedPorts", "Volumes", "Labels")
_PLATFORM_MEMBERS = ("architecture", "os", "os.version", "os.features", "variant")


class ImageConfig:
    """A mutable image configuration.

    Attributes:
        author: of MAINTAINER.
        platform: as the image says, "" where it says nothing.
        config: the member `config`.
        history: entries so far.
        diff_ids: of the base's layers.
    """

    def __init__(self, source: Mapping[str, Any]) -> None:
        """Take over the known members of a config JSON (untrusted: other types are dropped)."""
        self.author: str = _typed(source.get("author"), str, "")
        self.platform = Platform(
            _typed(source.get("os"), str, ""),
            _typed(source.get("architecture"), str, ""),
            _typed(source.get("variant"), str, ""),
            _typed(source.get("os.version"), str, ""),
            _strings(source.get("os.features")),
        )
        given = _typed(source.get("config"), dict, {})
        self.config: dict[str, Any] = {
            name: _copied(given[name]) for name in _CONFIG_MEMBERS if given.get(name)
        }
        self.history: list[Mapping[str, Any]] = [
            dict(entry) for entry in _typed(source.get("history"), list, []) if type(entry) is dict
        ]
        rootfs = _typed(source.get("rootfs"), dict, {})
        self.diff_ids = list(_strings(rootfs.get("diff_ids")))

    @classmethod
    def empty(cls, platform: Platform) -> ImageConfig:
        """The configuration of `FROM scratch`."""
        image = cls({"config": {"WorkingDir": "/"}})
        image.platform = platform
        if platform.os != "windows":
            image.env = [f"PATH={DEFAULT_PATH}"]
        return image

    @property
    def env(self) -> list[str]:
        """`name=value` entries of the configuration."""
        return list(_strings(self.config.get("Env")))

    @env.setter
    def env(self, entries: list[str]) -> None:
        self.config["Env"] = entries

    def set_env(self, name: str, value: str) -> None:
        """Change a variable in its place, or add it at the end."""
        entries = self.env
        for i, entry in enumerate(entries):
            if entry.partition("=")[0] == name:
                entries[i] = f"{name}={value}"
                break
        else:
            entries.append(f"{name}={value}")
        self.config["Env"] = entries

    def text(self, member: str) -> str:
        """A string member of `config`, "" when absent."""
        return str(_typed(self.config.get(member), str, ""))

    def words(self, member: str) -> tuple[str, ...]:
        """A list member of `config`, empty when absent."""
        return _strings(self.config.get(member))

    def add(self, member: str, values: Mapping[str, Any]) -> None:
        """Add to an object member of `config`."""
        self.config[member] = {**_typed(self.config.get(member), dict, {}), **values}

    def commit(self, created_by: str, *, has_layer: bool, epoch: int | None) -> Mapping[str, Any]:
        """Append a history entry and return it."""
        entry: dict[str, Any] = {}
        if epoch is not None:
            entry["created"] = _rfc3339(epoch)
        entry["created_by"] = _scalar_values(created_by)
        entry["comment"] = HISTORY_COMMENT
        if not has_layer:
            entry["empty_layer"] = True
        self.history.append(entry)
        return entry

    def copy(self) -> ImageConfig:
        """An independent copy."""
        return ImageConfig(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The configuration as a JSON object, members in the order Go's encoder gives them."""
        out: dict[str, Any] = {}
        if self.author:
            out["author"] = _scalar_values(self.author)
        p = self.platform
        values = (p.architecture, p.os, p.os_version, list(p.os_features), p.variant)
        for name, value in zip(_PLATFORM_MEMBERS, values):
            if value or name in ("architecture", "os"):
                out[name] = value
        out["config"] = {
            name: _sorted(self.config[name]) if name in _SETS else _clean(self.config[name])
            for name in _CONFIG_MEMBERS
            if self.config.get(name)
        }
        out["rootfs"] = {"type": "layers", "diff_ids": list(self.diff_ids)}
        out["history"] = [dict(entry) for entry in self.history]
        return out


def _typed(value: Any, kind: type, default: Any) -> Any:
    return value if type(value) is kind else default


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(member for member in value if isinstance(member, str))


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(member) for name, member in value.items()}
    return list(value) if isinstance(value, list) else value


def _sorted(members: Mapping[str, Any]) -> dict[str, Any]:
    return {_scalar_values(name): _clean(members[name]) for name in sorted(members)}


def _clean(value: Any) -> Any:
    """Texts without the surrogates that stand for bytes that are not UTF-8."""
    if isinstance(value, str):
        return _scalar_values(value)
    if isinstance(value, (list, tuple)):
        return [_clean(member) for member in value]
    if isinstance(value, dict):
        return {name: _clean(member) for name, member in value.items()}
    return value


def _scalar_values(text: str) -> str:
    if text.isascii():
        return text
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


def _rfc3339(seconds: int) -> str:
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
