"""Whether a program can start: its loader, its libraries, for the right architecture.

ld.so(8) and musl's manual say where libraries are looked for; what a program loads by dlopen(3) is
not known here.
"""

from __future__ import annotations

from builder.checks.checks import (
    FOREIGN_ARCHITECTURE,
    MISSING_LIBRARY,
    MISSING_LOADER,
    Problem,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from builder.checks.file_tree import FileTree
    from builder.checks.layer_index import Item
    from builder.checks.program import Program

_TRIPLETS = {
    "amd64": "x86_64-linux-gnu",
    "arm64": "aarch64-linux-gnu",
    "386": "i386-linux-gnu",
    "arm": "arm-linux-gnueabihf",
    "riscv64": "riscv64-linux-gnu",
    "ppc64le": "powerpc64le-linux-gnu",
    "s390x": "s390x-linux-gnu",
}
_MUSL_DIRECTORIES = ("/lib", "/usr/local/lib", "/usr/lib")
# Runs on the architecture as well.
_COMPATIBLE = {"amd64": ("386",), "arm64": ("arm",)}
_MOST_INCLUDES = 100


class Libraries:
    """Finds the libraries of an image's programs."""

    def __init__(self, tree: FileTree, environment: Iterable[str], architecture: str) -> None:
        self._tree = tree
        self._architecture = architecture
        given = [text for text in environment if text.startswith("LD_LIBRARY_PATH=")]
        self._environment = given[-1].partition("=")[2].split(":") if given else []
        self._configured = list(_configured(tree, "/etc/ld.so.conf", set()))
        self._musl = list(_musl_directories(tree)) or list(_MUSL_DIRECTORIES)

    def problems(self, path: str, program: Program) -> list[Problem]:
        """What keeps a program of the image from starting."""
        if program.is_script:
            return self._interpreter_problems(path, program)
        own = program.architecture
        known = (self._architecture, *_COMPATIBLE.get(self._architecture, ()))
        if own and self._architecture and own not in known:
            return [
                Problem(
                    FOREIGN_ARCHITECTURE,
                    f"{path} is for {own}, the image for {self._architecture}",
                    "build or copy the program of the image's platform",
                    path,
                )
            ]
        if program.interpreter and self._tree.find(program.interpreter) is None:
            libc = "musl" if "musl" in program.interpreter else "glibc"
            return [
                Problem(
                    MISSING_LOADER,
                    f"{path} needs the dynamic loader {program.interpreter}, which is not in the"
                    f" image: starting it will say 'no such file or directory'",
                    f"use a base image with {libc}, or link the program statically",
                    path,
                )
            ]
        return [_missing_library(path, *found) for found in self._missing(path, program)]

    def _interpreter_problems(self, path: str, program: Program) -> list[Problem]:
        interpreter = program.interpreter
        if self._tree.find(interpreter) is not None:
            return []
        hint = "install the interpreter, or correct the script's first line"
        if interpreter.endswith("\r"):
            interpreter = interpreter[:-1]
            hint = "the script's lines end in CR LF: convert them, with dos2unix for example"
        return [
            Problem(
                MISSING_LOADER,
                f"the script {path} needs the interpreter {interpreter}, which is not in the image",
                hint,
                path,
            )
        ]

    def _missing(self, path: str, program: Program) -> Iterator[tuple[str, str, str]]:
        """Names of libraries that are not found, what needs them, and where they are instead."""
        musl = "musl" in program.interpreter
        seen: set[str] = set()
        todo = [(path, program, program.directories)]
        while todo:
            user, current, inherited = todo.pop()
            for name in current.needed:
                if name in seen:
                    continue
                seen.add(name)
                if musl and name.startswith("libc.musl-"):
                    continue  # the loader itself
                found = self._find(name, user, (*current.directories, *inherited), program, musl)
                if found is None:
                    yield name, user, self._elsewhere(name)
                    continue
                at, item = found
                if item.program is not None:
                    todo.append((at, item.program, inherited))

    def _find(
        self, name: str, user: str, directories: Iterable[str], program: Program, musl: bool
    ) -> tuple[str, Item] | None:
        if "/" in name:
            found = self._tree.find(name)
            return None if found is None else (name, found[1])
        origin = user.rpartition("/")[0] or "/"
        for directory in (*directories, *self._environment, *self._usual(program, musl)):
            place = directory.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)
            place = place.replace("$LIB", "lib").replace("${LIB}", "lib")
            found = self._tree.find(f"{place}/{name}")
            if found is not None:
                return f"{place}/{name}", found[1]
        return None

    def _usual(self, program: Program, musl: bool) -> list[str]:
        if musl:
            return self._musl
        triplet = _TRIPLETS.get(program.architecture or self._architecture, "")
        return [
            *self._configured,
            *(f"{place}/{triplet}" for place in ("/lib", "/usr/lib", "/usr/local/lib") if triplet),
            *("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib", "/lib32", "/usr/lib32"),
        ]

    def _elsewhere(self, name: str) -> str:
        end = b"/" + name.encode("utf-8", "surrogateescape")
        for found, _, _ in self._tree:
            if found.endswith(end):
                return f"/{found.decode('utf-8', 'replace')} is there"
        return ""


def _missing_library(path: str, name: str, through: str, elsewhere: str) -> Problem:
    what = f"{path} needs the library {name}"
    if through != path:
        what += f" (through {through})"
    if elsewhere:
        what += f"; {elsewhere}, where it is not looked for"
        hint = "set LD_LIBRARY_PATH, or add the directory to /etc/ld.so.conf and run ldconfig"
    else:
        what += ", which is not in the image"
        hint = "install the package that has it, or link the program statically"
    return Problem(MISSING_LIBRARY, what, hint, path)


def _configured(tree: FileTree, path: str, seen: set[str]) -> Iterator[str]:
    """Directories of /etc/ld.so.conf and what it includes (ldconfig(8))."""
    if path in seen or len(seen) > _MOST_INCLUDES:
        return
    seen.add(path)
    found = tree.find(path)
    if found is None:
        return
    for line in found[1].content.decode("utf-8", "replace").splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                yield from _included(tree, pattern, seen)
        elif words:
            yield from words[0].rstrip(",").split(":")


def _included(tree: FileTree, pattern: str, seen: set[str]) -> Iterator[str]:
    from fnmatch import fnmatchcase

    directory, _, last = pattern.rpartition("/")
    directory = directory if directory.startswith("/") else f"/etc/{directory}"
    for child in tree.children(directory.strip("/").encode()):
        name = child.rpartition(b"/")[2].decode("utf-8", "surrogateescape")
        if fnmatchcase(name, last):
            yield from _configured(tree, f"{directory}/{name}", seen)


def _musl_directories(tree: FileTree) -> Iterator[str]:
    for child in tree.children(b"etc"):
        if child.startswith(b"etc/ld-musl-") and child.endswith(b".path"):
            found = tree.find("/" + child.decode("utf-8", "surrogateescape"))
            if found is not None:
                text = found[1].content.decode("utf-8", "replace")
                yield from text.replace("\n", ":").strip(":").split(":")
