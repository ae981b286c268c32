"""config.json of an image: its configuration as image-spec's conversion.md maps it, and the rest.

| image | runtime |
|---|---|
| Entrypoint, Cmd | process.args, one after the other |
| Env | process.env as it is; PATH, HOME, TERM are added when it has none |
| WorkingDir | process.cwd, "/" when empty |
| User | process.user, looked up in the image's files (`builder.images.accounts`) |
| Volumes | a directory of the bundle, mounted there (`builder.images.volumes`) |
| Labels | annotations; they win over those below |
| author, os, StopSignal, ExposedPorts, ... | annotations `org.opencontainers.image.*` |

What the image says nothing about is what Docker's containers get: its capabilities, mounts, masked
and read-only paths. Pure: values in, a JSON object out.
"""

from __future__ import annotations

from builder.container_defaults import CAPABILITIES, MASKED_PATHS, OCI_VERSION, READONLY_PATHS
from builder.dockerfile.image_config import DEFAULT_PATH
from builder.dockerfile.record import Record
from builder.errors import BuilderError, ImageFormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from builder.images.accounts import Account

_PREFIX = "org.opencontainers.image."

_NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")

_MOUNTS = (
    ("/proc", "proc", "proc", ("nosuid", "noexec", "nodev")),
    ("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
    (
        *("/dev/pts", "devpts", "devpts"),
        ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
    ),
    ("/dev/shm", "tmpfs", "shm", ("nosuid", "noexec", "nodev", "mode=1777", "size=65536k")),
    ("/dev/mqueue", "mqueue", "mqueue", ("nosuid", "noexec", "nodev")),
    ("/sys", "sysfs", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
    ("/sys/fs/cgroup", "cgroup", "cgroup", ("nosuid", "noexec", "nodev", "relatime", "ro")),
)


class Choices(Record):
    """What whoever unpacks an image decides rather than the image.

    Attributes:
        args: instead of the image's Cmd.
        hostname: of the container.
        terminal: whether the process gets one.
        host_network: no network namespace of its own.
        readonly: a root file system that cannot be written to.
        rootless: for a runtime without privileges: (uid, gid) of the user that will run it, who
            is the only user inside.
    """

    args: tuple[str, ...] = ()
    hostname: str = "container"
    terminal: bool = False
    host_network: bool = False
    readonly: bool = False
    rootless: tuple[int, int] | None = None


class BundleError(BuilderError):
    """An image does not say enough to run it, or a bundle cannot be written."""

    code = "bundle"


def bundle_config(
    image: Mapping[str, Any],
    account: Account,
    volumes: Sequence[tuple[str, str]],
    choices: Choices = Choices(),  # noqa: B008
) -> dict[str, Any]:
    """The runtime configuration of an image.

    Args:
        image: the image's configuration (config.md), untrusted.
        account: what its User means.
        volumes: for each volume the path in the container and its directory in the bundle.
        choices: of the caller.

    Raises:
        ImageFormatError: a member is of a type it may not have.
        BundleError: the image names no program and neither does the caller.
    """
    config = _object(image, "config")
    capabilities = list(CAPABILITIES)
    # A process that is not root starts with none, as in Docker.
    held = capabilities if account.uid == 0 else []
    # Without privileges one user can be mapped, the caller; whoever the image names is that one.
    uid, gid = (0, 0) if choices.rootless else (account.uid, account.gid)
    user: dict[str, Any] = {"uid": uid, "gid": gid}
    if choices.rootless is None:
        # The primary group is among them as login(1) has it: without, a program could drop it and
        # be let in where that group alone is kept out (CVE-2022-2989).
        user["additionalGids"] = sorted({account.gid, *account.additional_gids})
    document: dict[str, Any] = {
        "ociVersion": OCI_VERSION,
        "process": {
            "terminal": choices.terminal,
            "user": user,
            "args": _args(config, choices.args),
            "env": _env(config, account, choices.terminal),
            "cwd": _text(config, "WorkingDir") or "/",
            "capabilities": {"bounding": capabilities, "effective": held, "permitted": held},
        },
        "root": {"path": "rootfs", "readonly": choices.readonly},
        "hostname": choices.hostname,
        "mounts": [*_mounts(choices), *(_volume(*volume) for volume in volumes)],
        "annotations": annotations_of(image),
        "linux": _linux(choices),
    }
    return document


def volumes_of(image: Mapping[str, Any]) -> list[str]:
    """The paths of an image's volumes, outer ones before those inside them.

    Raises ImageFormatError for a path that cannot be one.
    """
    paths = set()
    for path in _object(_object(image, "config"), "Volumes"):
        clean = "/" + "/".join(part for part in path.split("/") if part not in ("", "."))
        if clean == "/" or ".." in clean.split("/") or "\0" in clean:
            raise ImageFormatError(f"the image's volume {path!r} cannot be one", subject=path)
        paths.add(clean)
    return sorted(paths)


def annotations_of(image: Mapping[str, Any]) -> dict[str, str]:
    """The annotations of conversion.md, the image's labels among them."""
    config = _object(image, "config")
    found = {
        "architecture": _text(image, "architecture"),
        "author": _text(image, "author"),
        "created": _text(image, "created"),
        "exposedPorts": ",".join(sorted(_object(config, "ExposedPorts"))),
        "os": _text(image, "os"),
        "os.features": ",".join(_texts(image, "os.features")),
        "os.version": _text(image, "os.version"),
        "stopSignal": _text(config, "StopSignal"),
        "variant": _text(image, "variant"),
    }
    annotations = {_PREFIX + name: value for name, value in found.items() if value}
    for name, value in _object(config, "Labels").items():
        if not isinstance(value, str):
            raise ImageFormatError(f"the image's label {name!r} is not a string", subject=name)
        if name:  # runtime-spec forbids an empty key
            annotations[name] = value
    return dict(sorted(annotations.items()))


def _args(config: Mapping[str, Any], given: Sequence[str]) -> list[str]:
    args = [*_texts(config, "Entrypoint"), *(given or _texts(config, "Cmd"))]
    if not args:
        raise BundleError(
            "the image names no program: it has neither Entrypoint nor Cmd",
            hint="give a command after the bundle",
        )
    return args


def _env(config: Mapping[str, Any], account: Account, terminal: bool) -> list[str]:
    env = _texts(config, "Env")
    for entry in env:
        if "=" not in entry or "\0" in entry:
            raise ImageFormatError(
                f"the image's environment entry {entry!r} is not of the form name=value"
            )
    names = {entry.partition("=")[0] for entry in env}
    additions = {"PATH": DEFAULT_PATH, "HOME": account.home or "/"}
    if terminal:
        additions["TERM"] = "xterm"
    return env + [f"{name}={value}" for name, value in additions.items() if name not in names]


def _mounts(choices: Choices) -> list[dict[str, Any]]:
    mounts = []
    for destination, kind, source, options in _MOUNTS:
        listed = list(options)
        if choices.rootless and destination == "/dev/pts":
            listed.remove("gid=5")  # a group that is not mapped in the user namespace
        if destination == "/sys" and choices.rootless and choices.host_network:
            # sysfs belongs to the network namespace: only its owner may mount it anew.
            kind, source, listed = "none", "/sys", ["rbind", *listed]
        mounts.append(
            {"destination": destination, "type": kind, "source": source, "options": listed}
        )
    return mounts


def _volume(destination: str, directory: str) -> dict[str, Any]:
    return {
        "destination": destination,
        "type": "none",
        "source": directory,
        "options": ["rbind", "rw", "nosuid", "nodev"],
    }


def _linux(choices: Choices) -> dict[str, Any]:
    namespaces = [n for n in _NAMESPACES if n != "network" or not choices.host_network]
    linux: dict[str, Any] = {
        "namespaces": [{"type": name} for name in namespaces],
        "maskedPaths": list(MASKED_PATHS),
        "readonlyPaths": list(READONLY_PATHS),
    }
    if choices.rootless is None:
        linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
        return linux
    uid, gid = choices.rootless
    linux["namespaces"].append({"type": "user"})
    linux["uidMappings"] = [{"containerID": 0, "hostID": uid, "size": 1}]
    linux["gidMappings"] = [{"containerID": 0, "hostID": gid, "size": 1}]
    return linux


def _object(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(name, "an object")
    return value


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or "\0" in value:
        raise _wrong(name, "a string")
    return value


def _texts(document: Mapping[str, Any], name: str) -> list[str]:
    value = document.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(v, str) and "\0" not in v for v in value):
        raise _wrong(name, "a list of strings")
    return value


def _wrong(name: str, kind: str) -> ImageFormatError:
    return ImageFormatError(f"reading the image's config: {name} is not {kind}", subject=name)
