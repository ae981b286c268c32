"""Where the password of a private key comes from.

In this order: a file that was named, $PYOCI_BUILDER_PASSWORD, $COSIGN_PASSWORD, the terminal. An
empty variable is an empty password, as it is for cosign.
"""

from __future__ import annotations

import os

from builder.errors import KeyFileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VARIABLES = ("PYOCI_BUILDER_PASSWORD", "COSIGN_PASSWORD")
_LARGEST = 4096


def password_source(
    environ: Mapping[str, str], file: str | None = None, *, confirm: bool = False
) -> Callable[[], bytes]:
    """A function that finds the password when it is called; `confirm` makes a person type it twice.

    The function raises KeyFileError when there is no password or no terminal to ask on.
    """

    def find() -> bytes:
        if file is not None:
            return _from_file(file)
        for name in VARIABLES:
            if name in environ:
                return os.fsencode(environ[name])
        return _from_terminal(confirm)

    return find


def _from_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise KeyFileError(
            f"reading password file {path}: {error.strerror}", subject=path
        ) from None
    if len(data) > _LARGEST:
        raise KeyFileError(f"reading password file {path}: longer than 4096 bytes", subject=path)
    return data.removesuffix(b"\n").removesuffix(b"\r")


def _from_terminal(confirm: bool) -> bytes:
    import getpass

    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        raise KeyFileError(
            "asking for the key's password: there is no terminal",
            hint=f"set ${VARIABLES[0]} or give --password-file",
        ) from None
    try:
        password = getpass.getpass("Password of the private key: ")
        if confirm and getpass.getpass("Again: ") != password:
            raise KeyFileError("asking for the key's password: the two do not agree")
    except EOFError:
        raise KeyFileError("asking for the key's password: none was given") from None
    return password.encode("utf-8", "surrogateescape")
