"""What checkpoint and restore are told alike, and what CRIU is always told."""

from __future__ import annotations

import posix as os

from pyoci.criu.messages import CGROUP_MODES
from pyoci.errors import PyociError, UsageError, reason
from pyoci.paths import exists, makedirs
from pyoci.plan.namespaces import NAMESPACE_FLAGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.criu.messages import Options

# What an administrator has set for runc's containers holds for ours unless there is more to say.
_CONFIG_FILES = ("/etc/criu/pyoci.conf", "/etc/criu/runc.conf")
_CONFIG_ANNOTATION = "org.criu.config"
_DEBUG = 4


class CriuOptions:
    """Where the images are, and CRIU's own switches (criu(8) tells what they mean).

    ``image_path`` and ``work_path`` are absolute; ``work_path`` is where CRIU keeps its log, the
    images' directory by default. ``switches`` are names of CRIU's options that are on or off, such
    as ``tcp_established``; ``manage_cgroups_mode`` is one of `CGROUP_MODES`; ``empty_namespaces``
    are the types of namespaces that are made anew, empty.
    """

    __slots__ = (
        "empty_namespaces",
        "environ",
        "image_path",
        "manage_cgroups_mode",
        "switches",
        "work_path",
    )

    def __init__(
        self,
        *,
        image_path: str,
        work_path: str | None = None,
        switches: tuple[str, ...] = (),
        manage_cgroups_mode: str | None = None,
        empty_namespaces: tuple[str, ...] = (),
        environ: dict[str, str] | None = None,
    ) -> None:
        if manage_cgroups_mode and manage_cgroups_mode not in CGROUP_MODES:
            raise UsageError(
                f"invalid value {manage_cgroups_mode!r} for flag --manage-cgroups-mode",
                subject="--manage-cgroups-mode",
                hint=" or ".join(CGROUP_MODES),
            )
        for kind in empty_namespaces:
            if kind not in NAMESPACE_FLAGS:
                raise UsageError(
                    f"invalid value {kind!r} for flag --empty-ns",
                    subject="--empty-ns",
                    hint=" or ".join(NAMESPACE_FLAGS),
                )
        self.image_path = image_path
        self.work_path = work_path or image_path
        self.switches = switches
        self.manage_cgroups_mode = manage_cgroups_mode
        self.empty_namespaces = empty_namespaces
        self.environ = environ or {}

    def switched_on(self, directories: Directories, log: str, config: dict[str, Any]) -> Options:
        """Give the options that every request has."""
        options: Options = [
            ("images_dir_fd", directories.images),
            ("work_dir_fd", directories.work),
            ("log_level", _DEBUG),
            ("log_file", log),
            ("notify_scripts", 1),
            ("manage_cgroups", 1),
            ("evasive_devices", 1),
            ("orphan_pts_master", 1),
        ]
        options += [(name, 1) for name in self.switches]
        if self.manage_cgroups_mode:
            options.append(("manage_cgroups_mode", CGROUP_MODES[self.manage_cgroups_mode]))
        if self.empty_namespaces:
            flags = 0
            for kind in self.empty_namespaces:
                flags |= NAMESPACE_FLAGS[kind]
            options.append(("empty_ns", flags))
        path = config_file(config)
        if path:
            options.append(("config_file", path))
        return options


class Directories:
    """The open directories of the images and of CRIU's work, which are made if need be.

    ``root`` is the /proc/PID/root of a CRIU with a mount namespace of its own: it mounts below its
    working directory, which has to be one of its own mounts.
    """

    __slots__ = ("images", "work")

    def __init__(self, options: CriuOptions, root: str = "") -> None:
        self.images = _open_directory(options.image_path, root)
        try:
            self.work = _open_directory(options.work_path, root)
        except BaseException:
            os.close(self.images)
            raise

    def close(self) -> None:
        """Close both."""
        os.close(self.images)
        os.close(self.work)


def _open_directory(path: str, root: str) -> int:
    try:
        makedirs(path, 0o700)
        return os.open(root + path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise PyociError(
            f"cannot use {path} for a checkpoint: {reason(error)}",
            subject=path,
            hint="it has to be a directory that can be written",
        ) from None


def config_file(config: dict[str, Any]) -> str | None:
    """Give the file with more of CRIU's options (criu(8), CONFIGURATION FILES).

    The container's annotation names it, empty for none, as under runc.
    """
    annotations = config.get("annotations") or {}
    if _CONFIG_ANNOTATION in annotations:
        return annotations[_CONFIG_ANNOTATION] or None
    return next((path for path in _CONFIG_FILES if exists(path)), None)
