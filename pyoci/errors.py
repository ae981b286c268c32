"""Errors of the runtime: one class per thing that a caller can act on.

The class docstring says when it is raised; ``code`` is stable and goes into JSON logs. The message
is one line: what was being done, to what, why it failed. ``hint`` says what to do about it.
Messages that engines match on (``container does not exist``, ``executable file not found in
$PATH``, …) keep runc's words; strerror texts appear only when the user's command or mount is at
fault, because Docker and podman turn them into exit statuses 126 and 127: elsewhere use `reason`.
"""

from __future__ import annotations

import errno


def reason(error: OSError) -> str:
    """Give an OSError's reason for a message about something other than the user's command.

    Not the kernel's words alone: "no such file or directory" makes engines report that the user's
    command is missing (exit status 127).
    """
    return {
        errno.ENOENT: "it, or a directory on the way to it, does not exist",
        errno.EACCES: "access is denied",
        errno.EPERM: "access is denied",
        errno.ENOTDIR: "something on the way to it is no directory",
    }.get(error.errno or 0, (error.strerror or str(error)).lower())


class PyociError(Exception):
    """Any failure that the runtime reports to its caller."""

    code = "error"
    exit_status = 1
    # Whether the text names the subject, because the message, in runc's words, does not.
    names_subject = False

    def __init__(
        self, message: str, *, subject: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.hint = hint

    def __str__(self) -> str:
        remarks = [self.hint] if self.hint else []
        if self.names_subject and self.subject and self.subject not in self.message:
            remarks.insert(0, self.subject)
        return f"{self.message} ({': '.join(remarks)})" if remarks else self.message


class UsageError(PyociError):
    """The command line is wrong: unknown flag, missing argument, bad value."""

    code = "usage"


class SpecError(PyociError):
    """config.json is not valid; ``subject`` is a JSON pointer (RFC 6901) into it."""

    code = "invalid-config"


class HostError(PyociError):
    """This host or kernel cannot do what the configuration asks for."""

    code = "unsupported-by-host"


class ContainerNotFoundError(PyociError):
    """No container of that ID exists below the state root."""

    code = "container-not-found"


class ContainerExistsError(PyociError):
    """A container of that ID exists already."""

    code = "container-exists"


class ContainerStateError(PyociError):
    """The container is in a state in which the operation is not allowed."""

    code = "wrong-state"


class StateFileError(PyociError):
    """The container's state file is damaged."""

    code = "damaged-state"


class CgroupError(PyociError):
    """A cgroup could not be made, configured, joined or removed."""

    code = "cgroup"


class HookError(PyociError):
    """A hook failed, could not be started or ran into its timeout."""

    code = "hook"
    names_subject = True


class InitError(PyociError):
    """An operation of the plan failed in the container's init; ``errno`` is the kernel's reason."""

    code = "init-failed"
    names_subject = True

    def __init__(
        self,
        message: str,
        *,
        subject: str | None = None,
        hint: str | None = None,
        errno: int = 0,
    ) -> None:
        super().__init__(message, subject=subject, hint=hint)
        self.errno = errno


class CommandError(InitError):
    """The user's program cannot be executed: not found, not executable, wrong format."""

    code = "command"


class SeccompError(PyociError):
    """The seccomp profile cannot be compiled or loaded."""

    code = "seccomp"


class CriuError(PyociError):
    """CRIU is missing, or could not checkpoint or restore; its own reason is in the message."""

    code = "criu"
