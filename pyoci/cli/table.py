"""The commands and their flags: the one table behind the parser, the help and the man pages.

Names, short forms and argument counts are runc's, because engines call them; what a command adds
beyond runc says so in its help. A new command is a new row, and a module with a ``run`` function.
"""

from __future__ import annotations

BOOL = "bool"
TEXT = "text"
NUMBER = "number"
LIST = "list"


class Flag:
    """A flag: ``--name``, ``-short``, and with one dash too, as Go programs write them.

    ``kind`` is BOOL (no argument needed), TEXT, NUMBER (decimal) or LIST (a text, repeatable).
    ``argument`` is what the help calls its argument.
    """

    __slots__ = ("argument", "help", "hidden", "kind", "name", "short")

    def __init__(
        self,
        name: str,
        short: str = "",
        kind: str = BOOL,
        argument: str = "",
        help: str = "",  # noqa: A002 -- what it is
        *,
        hidden: bool = False,
    ) -> None:
        self.name = name
        self.short = short
        self.kind = kind
        self.argument = argument
        self.help = help
        self.hidden = hidden

    @property
    def key(self) -> str:
        """The flag's key among a command's options."""
        return self.name.replace("-", "_")


class Command:
    """A command.

    ``arguments`` is how the help writes its positional arguments, of which there are ``minimum`` to
    ``maximum`` (None: any number). ``interleaved`` is false where the first one ends the flags.
    ``failure`` is the exit status of the command's own failures. ``hands_on_streams`` says that the
    standard streams become a container's. ``module`` has the function ``run``.
    """

    __slots__ = (
        "arguments",
        "failure",
        "flags",
        "hands_on_streams",
        "hidden",
        "interleaved",
        "maximum",
        "minimum",
        "module",
        "name",
        "summary",
    )

    def __init__(
        self,
        name: str,
        summary: str,
        flags: tuple[Flag, ...] = (),
        *,
        arguments: str = "",
        minimum: int = 0,
        maximum: int | None = 0,
        interleaved: bool = True,
        failure: int = 1,
        hands_on_streams: bool = False,
        hidden: bool = False,
        module: str = "",
    ) -> None:
        self.name = name
        self.summary = summary
        self.flags = (*flags, HELP)
        self.arguments = arguments
        self.minimum = minimum
        self.maximum = maximum
        self.interleaved = interleaved
        self.failure = failure
        self.hands_on_streams = hands_on_streams
        self.hidden = hidden
        self.module = module or f"pyoci.commands.{name}"


HELP = Flag("help", "h", help="Show this text.")

GLOBAL_FLAGS = (
    Flag("debug", help="Log how long each phase took; for an internal error, its traceback too."),
    Flag("log", "", TEXT, "FILE", "Append warnings and errors to FILE as well."),
    Flag("log-format", "", TEXT, "text|json", "Form of the log's records; text by default."),
    Flag(
        "root",
        "",
        TEXT,
        "DIR",
        "Keep the containers' state below DIR: /run/pyoci by default, $XDG_RUNTIME_DIR/pyoci for "
        "an ordinary user.",
    ),
    Flag("systemd-cgroup", help="Let systemd make the cgroups; cgroupsPath is slice:prefix:name."),
    Flag(
        "rootless",
        "",
        TEXT,
        "true|false|auto",
        "Whether cgroups that may not be changed are left out; found out by default.",
    ),
    Flag("version", "v", help="Show the version."),
    HELP,
)

_BUNDLE = Flag("bundle", "b", TEXT, "DIR", "The bundle; the working directory by default.")
_CONSOLE_SOCKET = Flag(
    "console-socket", "", TEXT, "PATH", "Send the terminal's master to this AF_UNIX socket."
)
_PIDFD_SOCKET = Flag(
    "pidfd-socket", "", TEXT, "PATH", "Send a pidfd of the process to this AF_UNIX socket."
)
_PID_FILE = Flag("pid-file", "", TEXT, "PATH", "Write the process's PID to this file.")
_PRESERVE = Flag(
    "preserve-fds", "", NUMBER, "N", "Pass N more descriptors on to the container, from 3 on."
)
_DETACH = Flag("detach", "d", help="Do not wait for the process.")
_CREATE = (
    _BUNDLE,
    _CONSOLE_SOCKET,
    _PIDFD_SOCKET,
    _PID_FILE,
    Flag("no-pivot", help="Do without pivot_root(2), for a root file system in the initramfs."),
    Flag("no-new-keyring", help="Keep the caller's session keyring."),
    _PRESERVE,
)

_CRIU = (
    Flag("image-path", "", TEXT, "DIR", "The image files are in DIR; ./checkpoint by default."),
    Flag("work-path", "", TEXT, "DIR", "CRIU's log and sockets are in DIR; by default with them."),
    Flag("tcp-established", help="Also with open TCP connections."),
    Flag("ext-unix-sk", help="Also with UNIX sockets that are connected to the outside."),
    Flag("shell-job", help="Also where a terminal of the caller's is in use."),
    Flag("lazy-pages", help="Bring memory over when it is asked for, by userfaultfd(2)."),
    Flag("file-locks", help="Also with file locks."),
    Flag(
        "manage-cgroups-mode",
        "",
        TEXT,
        "soft|full|strict|ignore",
        "How CRIU treats cgroups; soft by default.",
    ),
    Flag("empty-ns", "", LIST, "network", "Make this namespace anew, empty; repeatable."),
    Flag("auto-dedup", help="Free what of the parent's images is not needed any more."),
)

_ROWS = (
    Command(
        "create",
        "Create a container from a bundle; it waits for start.",
        # Go programs build one argument list for create and run.
        (*_CREATE, Flag("detach", "d", hidden=True)),
        arguments="ID",
        minimum=1,
        maximum=1,
        hands_on_streams=True,
    ),
    Command(
        "start",
        "Let a created container execute its program.",
        arguments="ID",
        minimum=1,
        maximum=1,
    ),
    Command(
        "run",
        "Create a container, start it, wait for its end, delete it.",
        (
            *_CREATE,
            _DETACH,
            Flag("keep", help="Do not delete the container when it has ended."),
            Flag(
                "no-subreaper",
                help="Accepted for runc's sake: pyoci never adopts a container's orphans.",
            ),
        ),
        arguments="ID",
        minimum=1,
        maximum=1,
        hands_on_streams=True,
    ),
    Command(
        "state",
        "Write a container's state as JSON.",
        arguments="ID",
        minimum=1,
        maximum=1,
    ),
    Command(
        "kill",
        "Send a container's process a signal, SIGTERM by default.",
        (Flag("all", "a", help="Send it to all of the container's processes.", hidden=True),),
        arguments="ID [SIGNAL]",
        minimum=1,
        maximum=2,
    ),
    Command(
        "delete",
        "Remove a container and what create made for it.",
        (Flag("force", "f", help="Kill it first if it runs; no error if there is none."),),
        arguments="ID",
        minimum=1,
        maximum=1,
    ),
    Command(
        "exec",
        "Run another process in a container.",
        (
            _CONSOLE_SOCKET,
            _PIDFD_SOCKET,
            Flag("cwd", "", TEXT, "DIR", "Its working directory in the container."),
            Flag("env", "e", LIST, "NAME=VALUE", "Set an environment variable; repeatable."),
            Flag("tty", "t", help="Give it a terminal."),
            Flag("user", "u", TEXT, "UID[:GID]", "Its user and group, as numbers."),
            Flag("additional-gids", "g", LIST, "GID", "One more group, as a number; repeatable."),
            Flag("process", "p", TEXT, "FILE", "Take all of it from a JSON process object."),
            _DETACH,
            _PID_FILE,
            Flag("process-label", "", TEXT, "LABEL", "Its SELinux label."),
            Flag("apparmor", "", TEXT, "PROFILE", "Its AppArmor profile."),
            Flag("no-new-privs", help="Set no_new_privs for it."),
            Flag("cap", "c", LIST, "CAP_NAME", "Give it one more capability; repeatable."),
            _PRESERVE,
            Flag(
                "cgroup",
                "",
                LIST,
                "[CONTROLLER:]PATH",
                "Put it into this cgroup below the container's; repeatable.",
            ),
            Flag("ignore-paused", help="Also in a paused container: it runs when that resumes."),
        ),
        arguments="ID [COMMAND [ARGUMENT…]]",
        minimum=1,
        maximum=None,
        interleaved=False,
        failure=255,
        hands_on_streams=True,
    ),
    Command(
        "pause",
        "Stop all processes of a container.",
        arguments="ID",
        minimum=1,
        maximum=1,
    ),
    Command(
        "resume",
        "Let the processes of a paused container run again.",
        arguments="ID",
        minimum=1,
        maximum=1,
    ),
    Command(
        "ps",
        "List a container's processes, as ps(1) with the given options (-ef) describes them.",
        (Flag("format", "f", TEXT, "table|json", "Form of the list: json has the PIDs alone."),),
        arguments="ID [PS-OPTION…]",
        minimum=1,
        maximum=None,
        # What follows the ID are ps's own flags.
        interleaved=False,
    ),
    Command(
        "update",
        "Change the limits of a container.",
        (
            Flag(
                "resources",
                "r",
                TEXT,
                "FILE|-",
                "Take all of them from a JSON object, the form of which is /linux/resources of "
                "config.json; the other flags are ignored then. - is standard input.",
            ),
            Flag("blkio-weight", "", NUMBER, "N", "Weight of block I/O, 10 to 1000."),
            Flag("cpu-period", "", TEXT, "MICROSECONDS", "Period over which --cpu-quota counts."),
            Flag("cpu-quota", "", TEXT, "MICROSECONDS", "Processor time per period; -1: no limit."),
            Flag("cpu-burst", "", TEXT, "MICROSECONDS", "Unused quota that may be saved up."),
            Flag("cpu-share", "", TEXT, "N", "Weight of processor time, 2 to 262144."),
            Flag("cpu-rt-period", "", TEXT, "MICROSECONDS", "Period of --cpu-rt-runtime (v1)."),
            Flag("cpu-rt-runtime", "", TEXT, "MICROSECONDS", "Realtime per period (v1)."),
            Flag("cpu-idle", "", TEXT, "0|1", "Run only when nobody else wants to."),
            Flag("cpuset-cpus", "", TEXT, "LIST", "Processors to run on, such as 0-3,7."),
            Flag("cpuset-mems", "", TEXT, "LIST", "Memory nodes to allocate from."),
            Flag("kernel-memory", "", TEXT, "BYTES", hidden=True),
            Flag("kernel-memory-tcp", "", TEXT, "BYTES", hidden=True),
            Flag("memory", "", TEXT, "BYTES", "Memory limit, such as 64m; -1: no limit."),
            Flag("memory-reservation", "", TEXT, "BYTES", "Memory kept when the host runs short."),
            Flag("memory-swap", "", TEXT, "BYTES", "Limit of memory and swap together."),
            Flag("pids-limit", "", NUMBER, "N", "Most processes and threads; -1: no limit."),
            Flag("l3-cache-schema", "", TEXT, "SCHEMA", "Cache lines of Intel RDT, L3:0=f;…"),
            Flag("mem-bw-schema", "", TEXT, "SCHEMA", "Memory bandwidth of Intel RDT, MB:0=20;…"),
        ),
        arguments="ID",
        minimum=1,
        maximum=1,
    ),
    Command(
        "events",
        "Write what a container uses every few seconds, and its out-of-memory kills, as JSON.",
        (
            Flag("interval", "", TEXT, "DURATION", "How often: 5s by default, 100ms, 1m30s, …"),
            Flag("stats", help="Write what it uses now, and end."),
        ),
        arguments="ID",
        minimum=1,
        maximum=1,
    ),
    Command(
        "checkpoint",
        "Write a container's processes to files with CRIU, and delete it.",
        (
            *_CRIU,
            Flag("parent-path", "", TEXT, "DIR", "The pre-dump before, relative to the images."),
            Flag("leave-running", help="Let the container go on running."),
            Flag("pre-dump", help="Write the memory only, and let the container go on running."),
            Flag("tcp-skip-in-flight", help="Leave connections out that are being made."),
            Flag("link-remap", help="Also with open files that have been removed."),
            Flag("status-fd", "", NUMBER, "N", "Write a zero byte to N when lazy pages are ready."),
            Flag("page-server", "", TEXT, "ADDRESS:PORT", "Send the memory to this page server."),
        ),
        arguments="ID",
        minimum=1,
        maximum=1,
    ),
    Command(
        "restore",
        "Restore a container from the files of a checkpoint.",
        (
            *_CRIU,
            _BUNDLE,
            _CONSOLE_SOCKET,
            _PID_FILE,
            _DETACH,
            Flag("no-subreaper", help="Accepted for runc's sake, as by run."),
            Flag("no-pivot", help="Accepted for runc's sake: CRIU does not pivot."),
            Flag("tcp-close", help="Close the TCP connections that were open."),
            Flag(
                "lsm-profile",
                "",
                TEXT,
                "TYPE:NAME",
                "The processes' profile: apparmor:NAME or selinux:LABEL.",
            ),
            Flag("lsm-mount-context", "", TEXT, "LABEL", "The SELinux context of the mounts."),
        ),
        arguments="ID",
        minimum=1,
        maximum=1,
        hands_on_streams=True,
    ),
    Command(
        "list",
        "List the containers below the state root.",
        (
            Flag("format", "f", TEXT, "table|json", "Form of the list; table by default."),
            Flag("quiet", "q", help="IDs only."),
        ),
    ),
    Command(
        "spec",
        "Write a config.json to start from.",
        (
            Flag("bundle", "b", TEXT, "DIR", "Where to; the working directory by default."),
            Flag("rootless", help="For an ordinary user: with a user namespace."),
        ),
    ),
    Command("features", "Write what this runtime supports as JSON."),
    Command(
        "explain",
        "Show the whole start-up of a bundle, step by step, without running anything.",
        (
            Flag("format", "f", TEXT, "text|json", "Form of the plan; text by default."),
            Flag("id", "", TEXT, "ID", "The container's ID, as it would be given to create."),
        ),
        arguments="[BUNDLE]",
        maximum=1,
    ),
    Command(
        "seccomp",
        "Say what a seccomp profile makes of a system call, and which of its rules says so.",
        (
            Flag("format", "f", TEXT, "text|json", "Form of the answer; text by default."),
            Flag("arch", "", TEXT, "ARCH", "SCMP_ARCH_ name; the machine's own by default."),
        ),
        arguments="explain PROFILE SYSCALL [ARGUMENT...]",
        minimum=3,
        maximum=None,
    ),
    Command(
        "help",
        "Show the help of a command.",
        arguments="[COMMAND]",
        maximum=1,
        module="pyoci.cli.help",
    ),
    Command(
        "completion",
        "Write the script by which a shell completes command lines.",
        arguments="bash|zsh|fish",
        minimum=1,
        maximum=1,
        module="pyoci.cli.completion",
    ),
    Command("version", "Show the version.", hidden=True, module="pyoci.cli.version"),
)

COMMANDS = {row.name: row for row in _ROWS}
