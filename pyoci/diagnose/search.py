"""Where the program was looked for, and why it was not there."""

from __future__ import annotations

import errno as codes
import os

from pyoci.diagnose.view import HiddenError, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyoci.diagnose.view import File, View

_USUAL = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_USUAL_PATH = ":".join(_USUAL)
_DEFAULT_PATH = "/bin:/usr/bin"  # the init's, as execvp(3)'s


class Search:
    """The search for a program as the init does it (execvp(3)), repeated from outside.

    ``by_path`` says that the name has a slash: there is no search then. ``path`` is the PATH of the
    environment, None when there is none; ``candidates`` are the absolute paths in question.
    """

    __slots__ = ("by_path", "candidates", "name", "path", "view")

    def __init__(self, view: View, name: str, env: list[str], cwd: str) -> None:
        self.view = view
        self.name = name
        self.by_path = "/" in name
        values = [entry[5:] for entry in env if entry.startswith("PATH=")]
        self.path = values[0] if values else None
        if self.by_path:
            directories = [""] if name.startswith("/") else [cwd]
        else:
            path = _DEFAULT_PATH if self.path is None else self.path
            directories = [entry or cwd for entry in path.split(":")]
        self.candidates = [_join(directory, name, cwd) for directory in directories]

    def find(self) -> tuple[str, File | None]:
        """Give the first candidate that is there, an executable regular file if there is one.

        Raises HiddenError when it may be below a mount that cannot be seen.
        """
        other: tuple[str, File] | None = None
        for path in self.candidates:
            try:
                file = self.view.open(path)
            except HiddenError:
                if self.by_path:
                    raise
                continue
            except OSError as error:
                if self.by_path and error.errno == codes.ELOOP:
                    raise
                continue
            if self.by_path or (file.is_regular and file.mode & 0o111):
                if other is not None:
                    other[1].close()
                return path, file
            if other is None and file.is_regular:
                other = path, file
            else:
                file.close()
        return other if other is not None else (self.candidates[0], None)


def _join(directory: str, name: str, cwd: str) -> str:
    if not directory.startswith("/") and directory:
        directory = f"{cwd}/{directory}"
    return f"{directory}/{name}" if not name.startswith("/") else name


def why_not_found(search: Search) -> str | None:
    """Give the hint for a program that is at none of the candidates."""
    name = search.name
    if " " in name.strip() and name.split()[0]:
        return (
            "the whole string is taken as the program's name: give every word as an entry of its "
            "own in /process/args"
        )
    if name != name.strip():
        return "the name begins or ends with a space"
    if search.by_path:
        return _dangling(search.view, search.candidates[0])
    if search.path is None:
        return f"/process/env sets no PATH: add PATH={_USUAL_PATH}, or give an absolute path"
    elsewhere = [d for d in _USUAL if _has(search.view, f"{d}/{name}")]
    if elsewhere:
        return f"it is {elsewhere[0]}/{name}: add {elsewhere[0]} to the PATH in /process/env"
    if not any(_has(search.view, directory) for directory in search.path.split(":")):
        return "the image has none of the directories in PATH: is the rootfs complete?"
    return _similar(search)


def nearest_name(view: View, path: str) -> str | None:
    """Give the hint for an absolute path: what comes nearest to it in the image."""
    from pyoci.spec.suggest import closest

    directory, _, name = path.rpartition("/")
    found = view.find(directory or "/")
    if found is None:
        return f"the image has no directory {printable(directory)}"
    try:
        if not found.is_directory:
            return f"{printable(directory)} is not a directory"
        near = closest(name, found.names())
    finally:
        found.close()
    if near is not None:
        return f"did you mean {printable(directory)}/{printable(near)}?"
    return "the image has no such file: correct /process/args, or add it to the image"


def _similar(search: Search) -> str | None:
    from pyoci.spec.suggest import closest

    names: list[str] = []
    for directory in (search.path or "").split(":"):
        found = search.view.find(directory) if directory.startswith("/") else None
        if found is None:
            continue
        try:
            names += found.names() if found.is_directory else []
        finally:
            found.close()
    near = closest(search.name, names)
    if near is not None:
        return f"did you mean {printable(near)}?"
    return "the image has no program of that name: install it in the image, or run another"


def _dangling(view: View, path: str) -> str | None:
    """Follow a symlink to where it leads nowhere."""
    for _ in range(40):
        target = _link_target(view, path)
        if target is None:
            return None
        onward = os.path.normpath(os.path.join(path.rpartition("/")[0] or "/", target))
        try:
            view.open(onward, follow=False).close()
        except OSError:
            shown = printable(target)
            return f"{printable(path)} is a symlink to {shown}, which is not in the image"
        path = onward
    return None


def _link_target(view: View, path: str) -> str | None:
    try:
        link = view.open(path, follow=False)
    except OSError:
        return None
    try:
        return link.target
    except OSError:
        return None
    finally:
        link.close()


def _has(view: View, path: str) -> bool:
    found = view.find(path) if path.startswith("/") else None
    if found is None:
        return False
    found.close()
    return True
