"""The init's build: no warnings, static, small, in step with the table of operations."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from pyoci.plan.header import header
from pyoci.plan.operations import OPERATIONS


def test_it_compiles_without_a_warning(make):
    done = make("clean")
    assert done.returncode == 0, done.stderr
    done = make()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


def test_a_second_build_does_nothing(make):
    assert make().returncode == 0
    assert "CC" not in make().stdout


def test_the_header_is_the_table(make, sources):
    assert make("plan_table.h").returncode == 0
    assert (sources / "plan_table.h").read_text() == header()


def test_every_operation_is_implemented_once(sources):
    text = "".join(path.read_text() for path in sources.glob("*.c"))
    found = re.findall(
        r"^int op_(\w+)\(struct init \*init, const struct record \*record\)$", text, re.M
    )
    assert sorted(found) == sorted(name for name, _ in OPERATIONS)


def test_it_is_static_and_small(make, sources):
    from elftools.elf.elffile import ELFFile

    assert make().returncode == 0
    path = sources / "pyoci-init"
    with path.open("rb") as file:
        elf = ELFFile(file)
        kinds = {segment["p_type"] for segment in elf.iter_segments()}
        stack = next(s for s in elf.iter_segments() if s["p_type"] == "PT_GNU_STACK")
        writable = [s for s in elf.iter_segments() if s["p_flags"] & 3 == 3]
    assert not kinds & {"PT_INTERP", "PT_DYNAMIC"}
    assert not writable, "a segment is both writable and executable"
    assert stack["p_flags"] == 6
    assert path.stat().st_size < 60_000


@pytest.mark.parametrize("compiler", ["aarch64-linux-gnu-gcc", "clang"])
def test_another_compiler_takes_it_too(make, compiler):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is missing")
    done = make(f"CC={compiler}", f"BUILD=build-{compiler}", f"OUTPUT=build-{compiler}/pyoci-init")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments", [[], ["x"], ["3,4"], ["3,4,5,6"], ["0,1,2"], ["3,4,5", "6"], ["3,4,-5"]]
)
def test_without_its_descriptors_it_does_nothing(make, sources, arguments):
    assert make().returncode == 0
    done = subprocess.run([sources / "pyoci-init", *arguments], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (125, b"", b"")
