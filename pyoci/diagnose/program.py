"""What a file is that the kernel cannot execute: script, ELF program, or something else.

Scripts are read as binfmt_script does (execve(2), "Interpreter scripts"), ELF files with
pyelftools, which is loaded only here, through a stream that gives out a bounded number of bytes.
"""

from __future__ import annotations

import os

from pyoci.diagnose.view import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyoci.diagnose.view import File, View

_LINE = 256  # BINPRM_BUF_SIZE
_MOST_NESTED = 5
_MACHINES = {
    "EM_386": "i386",
    "EM_X86_64": "x86_64",
    "EM_ARM": "arm",
    "EM_AARCH64": "aarch64",
    "EM_RISCV": "riscv64",
    "EM_PPC": "ppc",
    "EM_PPC64": "ppc64",
    "EM_S390": "s390x",
    "EM_MIPS": "mips",
    "EM_LOONGARCH": "loongarch64",
    "EM_SPARCV9": "sparc64",
    "EM_68K": "m68k",
    "EM_SH": "sh4",
    "EM_PARISC": "parisc",
    "EM_ALPHA": "alpha",
    "EM_IA_64": "ia64",
}
# What image platforms call them.
_PLATFORMS = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "i386": "386",
    "i686": "386",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
}
# A machine's kernel runs programs of these as well.
_COMPATIBLE = {"x86_64": ("x86_64", "i386"), "aarch64": ("aarch64", "arm")}
_OTHER_FORMATS = (
    (b"MZ", "a Windows program", "build it for Linux"),
    (b"\xcf\xfa\xed\xfe", "a macOS program", "build it for Linux: GOOS=linux, or in a container"),
    (b"\xca\xfe\xba\xbe", "a macOS program or a Java class", "build it for Linux, or run java"),
    (b"\x1f\x8b", "a gzip file", "unpack it"),
    (b"PK\x03\x04", "a zip or jar archive", "unpack it, or run it with its interpreter"),
    (b"!<arch>\n", "a static library", "link it into a program"),
    (b"\xef\xbb\xbf#!", "a script that begins with a byte order mark", "save it without one"),
)


class Finding:
    """What is wrong with a file, and what to do about it."""

    __slots__ = ("hint", "what")

    def __init__(self, what: str, hint: str) -> None:
        self.what = what
        self.hint = hint


class _BoundedStream:
    """The file-like object that pyelftools reads; it gives out 64 KiB at most."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._left = 1 << 16
        self._position = 0

    def read(self, count: int = -1) -> bytes:
        if count < 0 or count > self._left:
            raise EOFError("more of the file is needed than it is worth")
        data = self._file.read(count, self._position)
        self._left -= len(data)
        self._position += len(data)
        return data

    def seek(self, position: int, whence: int = 0) -> int:
        if whence == 0:
            self._position = position
        elif whence == 1:
            self._position += position
        else:
            self._position = self._file.status.st_size + position
        return self._position

    def tell(self) -> int:
        return self._position


def why_not_a_program(view: View, path: str, file: File, depth: int = 0) -> Finding | None:
    """Give what keeps the kernel from executing a file that is there; None when nothing is seen."""
    if not file.is_regular or depth > _MOST_NESTED:
        return None
    head = file.read(_LINE)
    if not head:
        return Finding("the file is empty", "copy or build the program again")
    if head[:2] == b"#!":
        return _script(view, path, head, depth)
    if head[:4] == b"\x7fELF":
        return _elf(view, path, file)
    for magic, what, hint in _OTHER_FORMATS:
        if head.startswith(magic):
            return Finding(f"it is {what}", hint)
    if b"\0" not in head:
        return Finding(
            "it is a text file without an interpreter", "begin it with a line such as #!/bin/sh"
        )
    return Finding(
        "it is not a program in a format that Linux knows", "copy or build the program again"
    )


def script_interpreter(file: File) -> str | None:
    """Give the interpreter that a script names, None when it is no script."""
    head = file.read(_LINE)
    return _interpreter_of(head) if head[:2] == b"#!" else None


def _interpreter_of(head: bytes) -> str:
    line = head[2:].split(b"\n", 1)[0].strip(b" \t")
    return os.fsdecode(line.replace(b"\t", b" ").split(b" ", 1)[0])


def _script(view: View, path: str, head: bytes, depth: int) -> Finding | None:
    named = _interpreter_of(head)
    shown = printable(named.rstrip("\r"))
    script = f"the script {printable(path)}"
    if not named.strip("\r"):
        return Finding(f"{script} names no interpreter", "begin it with a line such as #!/bin/sh")
    if named.endswith("\r"):
        return Finding(
            f"{script} has Windows line ends (CRLF), so its interpreter is {shown}\\r",
            "convert it: sed -i 's/\\r$//', or dos2unix",
        )
    if b"\n" not in head and len(head) == _LINE:
        return Finding(f"the first line of {script} is longer than {_LINE - 1} bytes", "shorten it")
    if not named.startswith("/"):
        return Finding(
            f"{script} names its interpreter by the relative path {shown}",
            "give the interpreter's absolute path in the first line",
        )
    interpreter = view.find(named)
    if interpreter is None:
        return Finding(
            f"the interpreter {shown} of {script} is not in the image",
            f"install {shown}, or name one that is there in the script's first line",
        )
    try:
        inner = why_not_a_program(view, named, interpreter, depth + 1)
    finally:
        interpreter.close()
    if inner is None:
        return None
    return Finding(
        f"the interpreter {shown} of {script} cannot be executed: {inner.what}", inner.hint
    )


def _elf(view: View, path: str, file: File) -> Finding | None:
    try:
        machine, kind, loader = _read_elf(file)
    except ImportError:
        # An installation without its dependencies: the errno has to do.
        return None
    except Exception:
        # pyelftools raises anything from KeyError to struct.error on a hostile file.
        return Finding("its ELF header is damaged", "copy or build the program again")
    host = os.uname().machine
    if machine not in _COMPATIBLE.get(host, (host,)) and not _same_family(machine, host):
        platform = f"linux/{_PLATFORMS.get(host, host)}"
        return Finding(
            f"it is a program for {machine}, and this machine is {host}",
            f"use an image for {platform}, or install qemu-user-static on the host to emulate "
            f"{machine}",
        )
    if kind not in ("ET_EXEC", "ET_DYN"):
        return Finding("it is an object file, not a program", "link it")
    if loader is None:
        return None
    found = view.find(loader) if loader.startswith("/") else None
    if found is not None:
        found.close()
        return None
    return Finding(
        f"the loader {printable(loader)} of the program {printable(path)} is not in the image",
        _loader_hint(view, loader),
    )


def _read_elf(file: File) -> tuple[str, str, str | None]:
    """Give machine, type (ET_…) and PT_INTERP of an ELF file."""
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(_BoundedStream(file))  # type: ignore[arg-type]  # needs read, seek, tell
    number = elf.header["e_machine"]
    machine = _MACHINES.get(number, f"machine {number}")
    if machine == "ppc64" and elf.little_endian:
        machine = "ppc64le"
    if machine == "mips":
        machine = ("mips64" if elf.elfclass == 64 else "mips") + "el" * elf.little_endian
    for segment in elf.iter_segments():
        if segment["p_type"] == "PT_INTERP":
            text: str = segment.get_interp_name()  # type: ignore[attr-defined]
            return machine, elf.header["e_type"], text
    return machine, elf.header["e_type"], None


def _same_family(machine: str, host: str) -> bool:
    # i686, armv7l and mips say more than an ELF header does.
    return (
        (machine == "i386" and host in ("i486", "i586", "i686"))
        or (machine == "arm" and host.startswith("arm"))
        or (machine.startswith("mips") and host.startswith("mips"))
    )


def _loader_hint(view: View, loader: str) -> str:
    if "ld-musl" in loader:
        return "it is linked against musl (Alpine): use such an image, or a program for glibc"
    if "ld-linux" in loader and any(
        _there(view, f"/lib/ld-musl-{machine}.so.1") for machine in _PLATFORMS
    ):
        return (
            "it is linked against glibc and the image has musl (Alpine): build it there, or "
            "link it statically"
        )
    if "ld-linux" in loader:
        return "install glibc in the image, or link the program statically"
    return "add the loader to the image, or link the program statically"


def _there(view: View, path: str) -> bool:
    found = view.find(path)
    if found is None:
        return False
    found.close()
    return True
