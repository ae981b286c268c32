#!/usr/bin/env python3
"""Runs a command in a throw-away virtual machine, in a copy of this checkout.

The machine has systemd as init, the unified cgroup hierarchy and AppArmor: what most hosts have and
a container or a CI runner has not. Nothing is shared with it::

    host                                guest
    tar of checkout and job   vdb ----> unpacked at the same path, run (guest/usr/local/sbin/suite)
    our standard output     <---- port  what the command prints, while it runs
    --results DIRECTORY     <---- vdc   tar of /results
    exit status             <---- vdc   /results/status

The virtual environment goes with the checkout and works there, because the guest is the host's
release of Debian. Its disk starts from the same image every time (image.sh); it has no network.
Where the processor has no virtualization for us it is emulated: slow, but all the same a kernel of
its own.

Exit status: the command's; 124 when it took too long, 125 when it was not run.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(HERE))
RESULTS_SIZE = 256 << 20
COMMAND_LINE = (
    "console=ttyS0 quiet panic=-1 rw edd=off mitigations=off audit=0 nokaslr random.trust_cpu=on "
    "cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1 systemd.show_status=0 "
    "apparmor=1 security=apparmor"
)
# Of no use in there: the linters, what is made anew, and the history.
LEFT_OUT = (
    ".git .demo .hypothesis .mypy_cache .ruff_cache .pytest_cache .tox build __pycache__ "
    "mypy mypyc *__mypyc*.so pip ruff"
).split()


class VmError(Exception):
    """The command could not be run."""


def main() -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(description="run a command in a virtual machine")
    parser.add_argument("--results", help="directory for what the command puts into /results")
    parser.add_argument("--timeout", type=int, default=900, help="seconds (default: 900)")
    parser.add_argument("--memory", type=int, default=3072, help="MiB (default: 3072)")
    parser.add_argument("--image", default=default_image(), help="where image.sh keeps it")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="run in the checkout's copy")
    options = parser.parse_args()
    try:
        if not options.command:
            raise VmError("no command is given")
        if os.uname().machine != "x86_64":
            raise VmError("the machine is an x86-64 one; this host is not")
        subprocess.run([f"{HERE}/image.sh", options.image], check=True)
        with tempfile.TemporaryDirectory(prefix="pyoci-vm-") as work:
            return run(options, work)
    except (VmError, subprocess.CalledProcessError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 125


def default_image() -> str:
    """Give the directory of the image: outside the tree, so that clones have one together."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return f"{cache}/pyoci/vm"


def run(options: argparse.Namespace, work: str) -> int:
    """Hand the job in, boot, take the results out."""
    pack(options.command, work)
    with open(f"{work}/results.tar", "wb") as file:
        file.truncate(RESULTS_SIZE)
    with output_pipe(f"{work}/output"):
        try:
            subprocess.run(
                machine(options, work), stdin=subprocess.DEVNULL, timeout=options.timeout
            )
        except subprocess.TimeoutExpired:
            print(f"run.py: still running after {options.timeout} s", file=sys.stderr)
            return 124
    return unpack(options.results, work)


def pack(command: list[str], work: str) -> None:
    """Write the tar file of the checkout and the job."""
    os.mkdir(f"{work}/job")
    with open(f"{work}/job/script", "w") as file:
        file.write(f"exec {shlex.join(command)}\n")
    with open(f"{work}/job/directory", "w") as file:
        file.write(CHECKOUT)
    subprocess.run(
        [
            *("tar", "--create", f"--file={work}/job.tar", "--owner=0", "--group=0"),
            *(f"--exclude={name}" for name in LEFT_OUT),
            *("-C", work, "job", "-C", "/", CHECKOUT.lstrip("/")),
        ],
        check=True,
    )


@contextmanager
def output_pipe(path: str) -> Iterator[None]:
    """Copy what the guest writes to our standard output, as it comes."""
    os.mkfifo(path)
    # Both ends: the reader must not see the end before the machine has opened its side.
    held = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    with open(path, "rb") as source:
        reader = subprocess.Popen(["cat"], stdin=source)
    try:
        yield
    finally:
        os.close(held)
        reader.wait()


def machine(options: argparse.Namespace, work: str) -> list[str]:
    """Give QEMU's command line."""
    return [
        *("qemu-system-x86_64", "-machine", "q35,usb=off,smbus=off", "-cpu", "max"),
        *("-accel", "kvm" if has_virtualization() else "tcg,thread=multi"),
        *("-m", str(options.memory), "-smp", str(os.cpu_count() or 1)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-net", "none"),
        *("-serial", f"file:{work}/console"),
        *("-object", "rng-random,id=rng,filename=/dev/urandom"),
        *("-device", "virtio-rng-pci,rng=rng"),
        *disk(f"{options.image}/root.img", "snapshot=on,cache=unsafe"),
        *disk(f"{work}/job.tar", "readonly=on"),
        *disk(f"{work}/results.tar", "cache=unsafe"),
        *("-device", "virtio-serial-pci"),
        *("-chardev", f"file,id=output,path={work}/output"),
        *("-device", "virtserialport,chardev=output,name=output"),
        *("-kernel", f"{options.image}/vmlinuz", "-initrd", f"{options.image}/initrd.img"),
        *("-append", COMMAND_LINE),
    ]


def disk(path: str, how: str) -> tuple[str, str]:
    """Give the flags for one disk; they are vda, vdb, vdc in this order."""
    return "-drive", f"file={path},format=raw,if=virtio,{how}"


def has_virtualization() -> bool:
    """Say whether KVM can be used: a machine that is a virtual one may have the device alone."""
    with open("/proc/cpuinfo") as file:
        flags = next((line.split() for line in file if line.startswith("flags")), [])
    return bool({"vmx", "svm"} & set(flags)) and os.access("/dev/kvm", os.R_OK | os.W_OK)


def unpack(directory: str | None, work: str) -> int:
    """Take the results; gives the command's exit status."""
    results = directory or f"{work}/results"
    os.makedirs(results, exist_ok=True)
    try:
        with tarfile.open(f"{work}/results.tar", "r:") as tar:
            tar.extractall(results, filter="data")
        with open(f"{results}/status") as file:
            return int(file.read())
    except (tarfile.TarError, OSError, ValueError):
        with open(f"{work}/console", errors="replace") as file:
            sys.stderr.writelines(file.readlines()[-30:])
        raise VmError("the machine ended before the command did; its console is above") from None


if __name__ == "__main__":
    if shutil.which("qemu-system-x86_64") is None:
        sys.exit("run.py: qemu-system-x86_64 is missing (make vm)")
    sys.exit(main())
