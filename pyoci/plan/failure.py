"""A failing operation → one sentence: what was being done, to what, why, what to do about it.

Loaded only when something failed. Messages that engines match keep runc's words
(`reference`: Docker and podman turn "permission denied" into exit status 126, "no such file or
directory" and "executable file not found" into 127).
"""

from __future__ import annotations

import errno as codes
import posix as os

from pyoci.errors import CommandError, HookError, HostError, InitError, PyociError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.plan.operations import Operation
    from pyoci.plan.stage import Failure

_COMMAND_OPERATIONS = ("find_program", "exec")
_HINTS: dict[tuple[str, int], str] = {
    ("clone", codes.EPERM): "creating these namespaces needs CAP_SYS_ADMIN, or a new user "
    "namespace beside them",
    ("clone", codes.ENOSPC): "a limit below /proc/sys/user/max_*_namespaces is reached",
    ("clone", codes.EAGAIN): "the number of processes is limited: see ulimit -u and "
    "/linux/resources/pids of the cgroups above",
    ("clone", codes.EUSERS): "user namespaces are nested too deeply",
    ("clone", codes.EBUSY): "the cgroup has controllers enabled for children: no process may join",
    ("open_tree", codes.EPERM): "cloning mounts needs CAP_SYS_ADMIN: run as root, or with a new "
    "user and mount namespace",
    ("open_tree", codes.EINVAL): "the source is unbindable",
    ("new_mount", codes.ENODEV): "this kernel does not have the file system: see /proc/filesystems",
    ("new_mount", codes.EPERM): "the file system may not be mounted in a user namespace, or a "
    "fully visible instance is missing: bind the host's instead",
    ("new_mount", codes.EINVAL): "one of the mount's options is not known to the file system",
    ("mount_attributes", codes.EINVAL): "the file system or this kernel does not take the option",
    ("mount_attributes", codes.EPERM): "the mount is locked: an option that the host set cannot "
    "be cleared in a user namespace",
    ("attach_mount", codes.ELOOP): "a symlink in the image stands in the way: make it a directory",
    ("attach_mount", codes.ENOTDIR): "are you trying to mount a directory onto a file (or "
    "vice-versa)? Check if the specified host path exists and is the expected type",
    ("attach_mount", codes.EROFS): "the mount point does not exist in the image and the rootfs "
    "is on a read-only file system",
    ("make_device", codes.EPERM): "making device nodes needs CAP_MKNOD: add it to the runtime, "
    "or use a user namespace (devices are then bound from the host)",
    ("make_device", codes.EEXIST): "another file is in the image at that path: remove it",
    ("pivot_root", codes.EINVAL): "the rootfs cannot become /: on a ramdisk use --no-pivot",
    ("open_console", codes.ENOENT): "/mounts needs a devpts at /dev/pts with newinstance",
    ("hostname", codes.EPERM): "setting the hostname needs a UTS namespace of the container's own",
    ("rlimit", codes.EPERM): "a hard limit above the caller's needs CAP_SYS_RESOURCE: lower it",
    ("rlimit", codes.EINVAL): "the soft limit is above the hard limit, or the type is unknown",
    ("set_user", codes.EINVAL): "the id is not mapped in the user namespace: extend "
    "/linux/uidMappings and /linux/gidMappings",
    ("set_user", codes.EPERM): "the caller may not change to that user or those groups",
    ("become_root", codes.EINVAL): "map the container's id 0 in /linux/uidMappings and gidMappings",
    ("capabilities", codes.EPERM): "a set asks for what the bounding or permitted set lacks",
    ("seccomp", codes.EINVAL): "this kernel does not know a flag or action of the profile",
    ("seccomp", codes.EACCES): "loading a filter needs CAP_SYS_ADMIN or /process/noNewPrivileges",
    ("load_device_program", codes.EPERM): "loading BPF programs needs CAP_BPF or CAP_SYS_ADMIN",
    ("write_proc", codes.ENOENT): "this kernel has no such setting",
    ("write_proc", codes.EACCES): "this setting cannot be changed from the container's namespaces",
    ("write_file", codes.EACCES): "lowering oom_score_adj needs CAP_SYS_RESOURCE",
    ("write_file", codes.EPERM): "lowering oom_score_adj needs CAP_SYS_RESOURCE",
    ("time_namespace", codes.EINVAL): "offsets may not make a clock negative",
    ("join_namespace", codes.EINVAL): "the path names a namespace of another type",
    ("connect_unix", codes.ECONNREFUSED): "nobody listens on the socket",
    ("change_directory", codes.ENOENT): "create the directory in the image, or correct "
    "/process/cwd",
    ("change_directory", codes.ENOTDIR): "it is a file in the image: correct /process/cwd",
    ("change_directory", codes.EACCES): "the user may not enter it: chmod a+x it in the image, or "
    "change /process/user or /process/cwd",
    ("change_directory", codes.EPERM): "/process/cwd has to be a directory of the container's",
    ("make_directory", codes.ENOENT): "it cannot be made there: correct /process/cwd",
    ("make_directory", codes.ENOTDIR): "a file of the image is in its place or on the way to it: "
    "correct /process/cwd",
    ("make_directory", codes.EEXIST): "a file of the image is in its place or on the way to it: "
    "correct /process/cwd",
    ("make_directory", codes.EROFS): "create it in the image: the root is read-only",
    ("make_directory", codes.EACCES): "create it in the image: the container's root may not",
    ("open_file", codes.ENOENT): "correct the path: nothing is there",
    ("open_file", codes.EACCES): "the caller may not open it",
    ("scheduler", codes.EPERM): "real-time policies need CAP_SYS_NICE",
    ("io_priority", codes.EPERM): "the real-time class needs CAP_SYS_ADMIN or CAP_SYS_NICE",
}
_DOING: dict[str, str] = {
    "open_tree": "clone the mount {path}",
    "open_file": "open {path}",
    "connect_unix": "connect to the socket {path}",
    "make_user_namespace": "make the user namespace of an idmapped mount",
    "load_device_program": "load the cgroup's device program",
    "write_file": "write {path}",
    "join_namespace": "join the namespace",
    "join_process": "join the container's namespaces",
    "clone": "clone the container's process into its namespaces",
    "time_namespace": "set up the time namespace",
    "propagation": "change the propagation of {path}",
    "attach_root": "attach the rootfs at {path}",
    "new_mount": "make a {type} file system",
    "mount_attributes": "set the mount's options",
    "remount": "remount {target}",
    "copy_up": "copy {target} into its tmpfs",
    "make_directory": "make the directory {path}",
    "make_device": "make the device {path}",
    "make_symlink": "make the link {path}",
    "mask_path": "mask {path}",
    "readonly_path": "make {path} read-only",
    "pivot_root": "pivot_root",
    "move_root": "move the rootfs to /",
    "open_proc": "open a private procfs",
    "write_proc": "write {value} to /proc/{path}",
    "hostname": "set the hostname {name}",
    "domainname": "set the domainname {name}",
    "open_console": "open a terminal",
    "use_console": "make the terminal the controlling one",
    "rlimit": "set the resource limit",
    "set_user": "change to user {uid}, group {gid}",
    "capabilities": "set the capabilities",
    "change_directory": "chdir to cwd ({path}) set in config.json",
    "seccomp": "load the seccomp filter",
}


def _arguments(operation: Operation) -> dict[str, Any]:
    return dict(operation.arguments())


def _strerror(number: int) -> str:
    return os.strerror(number).lower() if number else "unknown reason"


def _mount_of(operation: Operation, config: dict[str, Any]) -> dict[str, Any] | None:
    parts = operation.pointer.split("/")
    if len(parts) == 3 and parts[1] == "mounts":
        mounts = config.get("mounts") or []
        if parts[2].isdigit() and int(parts[2]) < len(mounts):
            mount: dict[str, Any] = mounts[int(parts[2])]
            return mount
    return None


def explain(
    failure: Failure,
    config: dict[str, Any],
    process: dict[str, Any],
    rootfs: str,
    *,
    pointer: str = "/process",
) -> PyociError:
    """Give the error that a failed operation means to the caller of create, run or exec.

    ``rootfs`` is the container's root as the host sees it, for a diagnosis of commands that cannot
    be executed.
    """
    operation = failure.operation
    if operation is None:
        return InitError(f"the container's init failed: {failure.detail}", errno=failure.errno)
    if operation.name in _COMMAND_OPERATIONS:
        # An exec's rootfs is seen through a process of the container, with its mounts.
        mounts = (config.get("mounts") or []) if pointer else []
        return _command(failure, process, rootfs, pointer, mounts)
    arguments = _arguments(operation)
    reason = _strerror(failure.errno)
    hint = _HINTS.get((operation.name, failure.errno))
    if operation.name == "run_hook":
        kind = operation.pointer.split("/")[2]
        return HookError(
            f"error running {kind} hook #{operation.pointer.rpartition('/')[2]}: "
            f"{arguments['path']}: {failure.detail or reason}",
            subject=operation.pointer,
            hint="run the hook by hand with the container's state on its standard input",
        )
    if operation.name == "write_proc" and arguments["path"].startswith("self/attr/"):
        module = "AppArmor" if "apparmor" in arguments["path"] else "SELinux"
        label = arguments["value"].removeprefix("exec ")
        return HostError(
            f"unable to apply the {module} label {label!r}: the kernel refuses it "
            f"({codes.errorcode.get(failure.errno, failure.errno)})",
            subject=operation.pointer,
            hint=f"enable {module} on this host and load the profile or policy, or leave it out",
        )
    mount = _mount_of(operation, config)
    detail = f" ({failure.detail})" if failure.detail else ""
    if mount is not None:
        kind = mount.get("type") or "none"
        source = mount.get("source") or kind
        if operation.name == "new_mount":
            detail = f" of {kind}{detail}"
        message = (
            f'error mounting "{source}" to rootfs at "{mount["destination"]}": '
            f"{operation.name}{detail}: {reason}"
        )
    else:
        template = _DOING.get(operation.name, operation.name.replace("_", " "))
        doing = template.format(**arguments)
        message = f"unable to {doing}{detail}: {reason}"
    if failure.errno in (codes.ENOSYS, codes.ENODEV):
        return HostError(message, subject=operation.pointer or None, hint=hint)
    return InitError(message, subject=operation.pointer or None, hint=hint, errno=failure.errno)


def _command(
    failure: Failure,
    process: dict[str, Any],
    rootfs: str,
    pointer: str,
    mounts: list[dict[str, Any]],
) -> CommandError:
    from pyoci.diagnose import explain_exec_failure

    user = process.get("user") or {}
    diagnosis = explain_exec_failure(
        rootfs,
        list(process.get("args") or []),
        list(process.get("env") or []),
        process.get("cwd") or "/",
        failure.errno,
        user.get("uid") or 0,
        user.get("gid") or 0,
        mounts=mounts,
    )
    return CommandError(
        diagnosis.message,
        subject=f"{pointer}/args/0",
        hint=diagnosis.hint,
        errno=failure.errno,
    )
