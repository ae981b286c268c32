"""What the kernel and the dynamic loader read of a program: ELF headers, or the line after #!."""

from __future__ import annotations

from builder.dockerfile.record import Record

# Architectures by ELF's e_machine, as image configurations name them.
ARCHITECTURES = {
    "EM_X86_64": "amd64",
    "EM_386": "386",
    "EM_AARCH64": "arm64",
    "EM_ARM": "arm",
    "EM_RISCV": "riscv64",
    "EM_PPC64": "ppc64le",
    "EM_S390": "s390x",
    "EM_MIPS": "mips64le",
    "EM_LOONGARCH": "loong64",
}
# Entries of the dynamic section that name libraries and directories, by what pyelftools calls them.
_TEXTS = {"DT_NEEDED": "needed", "DT_RUNPATH": "runpath", "DT_RPATH": "rpath"}
LARGEST = 256 << 20
_LONGEST_LINE = 256  # BINPRM_BUF_SIZE: what the kernel reads of a script


class Program(Record):
    """A program or a library.

    Attributes:
        architecture: as image configurations name it, "" for a script or an unknown machine.
        interpreter: path of the loader or of the script's interpreter, "" for none.
        needed: names of libraries.
        directories: where the program says that they are, `$ORIGIN` and all.
        is_script: whether it begins with #!.
    """

    architecture: str
    interpreter: str
    needed: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    is_script: bool = False


def read_program(content: bytes) -> Program | None:
    """Read a file's content; None for anything but a program, damaged ones too."""
    if content.startswith(b"#!"):
        # As the kernel splits it (binfmt_script): a carriage return is part of the name.
        words = content[2:_LONGEST_LINE].partition(b"\n")[0].replace(b"\t", b" ").split(b" ")
        words = [word for word in words if word]
        if not words:
            return None
        return Program("", words[0].decode("utf-8", "surrogateescape"), is_script=True)
    return _read_elf(content) if content.startswith(b"\x7fELF") else None


def _read_elf(content: bytes) -> Program | None:
    import io

    from elftools.common.exceptions import ELFError, ELFParseError
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile
    from elftools.elf.segments import InterpSegment

    try:
        elf = ELFFile(io.BytesIO(content))
        if elf["e_type"] not in ("ET_EXEC", "ET_DYN"):
            return None
        interpreter = ""
        texts: dict[str, list[str]] = {}
        for segment in elf.iter_segments():
            if isinstance(segment, InterpSegment):
                interpreter = segment.get_interp_name()
            elif isinstance(segment, DynamicSegment):
                for tag in segment.iter_tags():
                    attribute = _TEXTS.get(str(tag.entry.d_tag))
                    if attribute:
                        texts.setdefault(attribute, []).append(getattr(tag, attribute))
        architecture = ARCHITECTURES.get(elf["e_machine"], "")
    except (ELFError, ELFParseError, UnicodeDecodeError, AttributeError, ValueError, OSError):
        return None
    except (KeyError, IndexError, TypeError, AssertionError, OverflowError, MemoryError):
        # The library's answer to files that are damaged on purpose.
        return None
    listed = ":".join([*texts.get("runpath", ()), *texts.get("rpath", ())])
    directories = tuple(part for part in listed.split(":") if part)
    return Program(architecture, interpreter, tuple(texts.get("needed", ())), directories)
