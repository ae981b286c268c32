"""``/process``: who the program runs as, with what limits and privileges (config.md, Process).

The order is the kernel's: what needs privileges first, then the user, then the capabilities that
are left, then what can only be taken away.
"""

from __future__ import annotations

from pyoci.plan.host import CAP_SYS_ADMIN
from pyoci.plan.namespaces import Namespaces, host_id
from pyoci.plan.operations import NO_SLOT
from pyoci.spec.tables.capabilities import CAPABILITIES
from pyoci.spec.tables.rlimits import RLIMITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.plan.host import Host
    from pyoci.plan.writer import PlanWriter

KEEP = (1 << 64) - 1  # uid and gid "do not change"
_U32 = (1 << 32) - 1
_PERSONALITIES = {"LINUX": 0x0000, "LINUX32": 0x0008}
_IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_POLICIES = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_ISO": 4,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
_SCHED_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}


class Filter:
    """A compiled seccomp filter as the plan needs it."""

    __slots__ = ("flags", "listener", "program")

    def __init__(self, program: bytes, flags: int, listener: int = NO_SLOT) -> None:
        self.program = program
        self.flags = flags
        self.listener = listener


def capability_mask(names: list[str], host: Host, warnings: list[str]) -> int:
    """Give a set of capabilities as a bit mask.

    A name that the kernel does not know, or that the caller cannot grant, is a warning and not an
    error (runtime-spec 1.1, capabilities).
    """
    mask = 0
    for name in names:
        number = CAPABILITIES.get(name)
        if number is None or number > host.last_capability:
            warnings.append(f"{name} is ignored: this kernel has no such capability")
        elif not host.bounding >> number & 1:
            warnings.append(f"{name} is ignored: the caller does not have it and cannot grant it")
        else:
            mask |= 1 << number
    return mask


def capability_sets(
    capabilities: dict[str, list[str]], host: Host, warnings: list[str]
) -> tuple[int, int, int, int]:
    """Give the effective, permitted, inheritable and ambient sets as bit masks.

    An ambient capability has to be permitted and inheritable (capabilities(7)). Configurations
    often have one that is not: it is left out, with a warning, as in runc.
    """
    effective, permitted, inheritable, ambient = (
        capability_mask(capabilities.get(name) or [], host, [])
        for name in ("effective", "permitted", "inheritable", "ambient")
    )
    impossible = ambient & ~(permitted & inheritable)
    warnings += [
        f"{name} is not made ambient: it is not both permitted and inheritable"
        for name, number in CAPABILITIES.items()
        if impossible >> number & 1
    ]
    return effective & permitted, permitted, inheritable, ambient & ~impossible


def scheduler_attributes(scheduler: dict[str, Any]) -> bytes:
    """Give ``/process/scheduler`` as struct sched_attr (sched_setattr(2))."""
    flags = 0
    for name in scheduler.get("flags") or ():
        flags |= _SCHED_FLAGS[name]
    return b"".join(
        (
            (48).to_bytes(4, "little"),
            _POLICIES[scheduler["policy"]].to_bytes(4, "little"),
            flags.to_bytes(8, "little"),
            (scheduler.get("nice") or 0).to_bytes(4, "little", signed=True),
            (scheduler.get("priority") or 0).to_bytes(4, "little"),
            (scheduler.get("runtime") or 0).to_bytes(8, "little"),
            (scheduler.get("deadline") or 0).to_bytes(8, "little"),
            (scheduler.get("period") or 0).to_bytes(8, "little"),
        )
    )


def raise_hard_limits(plan: PlanWriter, process: dict[str, Any], pointer: str) -> None:
    """Raise hard limits in the stage, while the caller's CAP_SYS_RESOURCE still counts.

    A user namespace's own CAP_SYS_RESOURCE does not (setrlimit(2)). The limits themselves are set
    in the container, which can always lower.
    """
    import resource

    for index, limit in enumerate(process.get("rlimits") or ()):
        number = RLIMITS[limit["type"]]
        soft, hard = resource.getrlimit(number)
        wanted = limit["hard"]
        if hard == resource.RLIM_INFINITY or wanted <= hard:
            continue
        plan.host.add("rlimit", f"{pointer}/rlimits/{index}", number, soft, wanted)


def host_settings(plan: PlanWriter, process: dict[str, Any], pointer: str) -> None:
    """Add what is inherited over the clone and needs the caller's own privileges."""
    score = process.get("oomScoreAdj")
    if score is not None:
        plan.host.add(
            "write_file",
            f"{pointer}/oomScoreAdj",
            "/proc/self/oom_score_adj",
            str(score).encode(),
        )
    if process.get("rlimits"):
        raise_hard_limits(plan, process, pointer)


def own_streams(
    plan: PlanWriter, process: dict[str, Any], config: dict[str, Any], host: Host, pointer: str
) -> None:
    """Add what gives the standard streams to the user, so that /dev/stdout can be opened again.

    A new user namespace has no power over files of ids that it does not map: then it is for the
    stage, with the host's id.
    """
    uid = (process.get("user") or {}).get("uid") or 0
    if host.privileged and "user" in Namespaces(config).new:
        mapped = host_id((config.get("linux") or {}).get("uidMappings") or [], uid)
        if mapped is not None:
            plan.host.add("own_stdio", pointer, mapped)
        return
    plan.container.add("own_stdio", pointer, uid)


def groups_denied(host: Host, namespaces: Namespaces, linux: dict[str, Any]) -> bool:
    """Say whether setgroups(2) is denied in the user namespace of a container that is to be made.

    An unprivileged user may map groups only so (user_namespaces(7)), unless newgidmap did it; and
    where the caller's own namespace was made like that, all inside it are.
    """
    if host.groups_denied:
        return True
    if host.privileged or "user" not in namespaces.new:
        return False
    gids = linux.get("gidMappings") or []
    return len(gids) == 1 and bool(gids[0]["size"] == 1)


def compile_process(
    plan: PlanWriter,
    process: dict[str, Any],
    config: dict[str, Any],
    host: Host,
    *,
    pointer: str,
    proc: int,
    filter: Filter | None,  # noqa: A002 -- the kernel's term
    keep_groups: bool,
    preserve: int,
    warnings: list[str],
) -> None:
    """Add everything between the finished file system and the program, but not its execution."""
    add = plan.container.add
    linux = config.get("linux") or {}
    user = process.get("user") or {}
    uid, gid = user.get("uid") or 0, user.get("gid") or 0
    # Without the object there are no capabilities, not the caller's (as in runc).
    capabilities = process.get("capabilities") or {}
    unprivileged = bool(process.get("noNewPrivileges"))

    if linux.get("personality"):
        add("personality", "/linux/personality", _PERSONALITIES[linux["personality"]["domain"]])
    if process.get("scheduler"):
        add("scheduler", f"{pointer}/scheduler", scheduler_attributes(process["scheduler"]))
    if process.get("ioPriority"):
        entry = process["ioPriority"]
        value = _IO_CLASSES[entry["class"]] << 13 | (entry.get("priority") or 0)
        add("io_priority", f"{pointer}/ioPriority", value)
    if process.get("apparmorProfile"):
        add(
            "write_proc",
            f"{pointer}/apparmorProfile",
            proc,
            "self/attr/apparmor/exec",
            f"exec {process['apparmorProfile']}",
        )
    if process.get("selinuxLabel"):
        add(
            "write_proc",
            f"{pointer}/selinuxLabel",
            proc,
            "self/attr/exec",
            process["selinuxLabel"],
        )
    for index, limit in enumerate(process.get("rlimits") or ()):
        add(
            "rlimit",
            f"{pointer}/rlimits/{index}",
            RLIMITS[limit["type"]],
            limit["soft"],
            limit["hard"],
        )
    if user.get("umask") is not None:
        add("umask", f"{pointer}/user/umask", user["umask"])
    sets = capability_sets(capabilities, host, warnings)
    bounding = capability_mask(capabilities.get("bounding") or [], host, warnings)
    add("bounding_set", f"{pointer}/capabilities/bounding", bounding)
    cwd = process.get("cwd") or "/"
    # As root first: the user may not be allowed to look into it; then as the user: root may not be
    # allowed to on a network file system.
    add("change_directory", f"{pointer}/cwd", cwd, 1)
    groups = b"".join(
        (number & _U32).to_bytes(4, "little") for number in user.get("additionalGids") or ()
    )
    if groups and keep_groups:
        warnings.append(
            f"{pointer}/user/additionalGids is ignored: the user namespace denies setgroups(2), "
            "as an ordinary user's does unless newgidmap has mapped ranges of gids"
        )
    add("set_user", f"{pointer}/user", uid, gid, groups, int(keep_groups))
    add("change_directory", f"{pointer}/cwd", cwd, 0)
    # Without no_new_privs loading a filter needs CAP_SYS_ADMIN (seccomp(2)): it stays permitted up
    # to then. Everything that can be done before is: a filter need not allow what the init does.
    privileged_filter = filter is not None and not unprivileged
    if privileged_filter and (host.privileged or Namespaces(config).has("user")):
        effective, permitted, inheritable, _ = sets
        kept = permitted | 1 << CAP_SYS_ADMIN
        add("capabilities", f"{pointer}/capabilities", effective, kept, inheritable, 0)
    else:
        add("capabilities", f"{pointer}/capabilities", *sets)
    if unprivileged:
        add("no_new_privileges", f"{pointer}/noNewPrivileges")
    environment = last_of_each(process.get("env") or [])
    add("program", f"{pointer}/args", process.get("args") or [], environment)
    add("home_from_passwd", f"{pointer}/env", uid)
    add("find_program", f"{pointer}/args/0")
    add("close_files", "", 3 + preserve)
    if filter is not None and (privileged_filter or filter.listener != NO_SLOT):
        # With a listener it is loaded here as well: the runtime has to be there still, to hand the
        # listener on.
        add("seccomp", "/linux/seccomp", filter.program, filter.flags, filter.listener)
    if privileged_filter:
        add("capabilities", f"{pointer}/capabilities", *sets)


def last_of_each(environment: list[str]) -> list[str]:
    """Give an environment in which every variable is once: what is set last counts."""
    variables: dict[str, str] = {}
    for entry in environment:
        name = entry.partition("=")[0]
        variables.pop(name, None)
        variables[name] = entry
    return list(variables.values())


def late_filter(
    plan: PlanWriter,
    process: dict[str, Any],
    filter: Filter | None,  # noqa: A002
) -> None:
    """Add the filter of a process with no_new_privs: as the last step before exec."""
    if filter is None or filter.listener != NO_SLOT:
        return
    if process.get("noNewPrivileges"):
        plan.container.add(
            "seccomp", "/linux/seccomp", filter.program, filter.flags, filter.listener
        )
