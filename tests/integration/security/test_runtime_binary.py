"""The runtime's program cannot be reached through /proc/PID/exe (CVE-2019-5736)."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess

import pytest

# Held open for reading while it is executed; written once it no longer is.
OVERWRITE = """
exec 3< /proc/1/exe || exit 8
readlink /proc/self/fd/3
touch /holding
while [ ! -e /started ]; do sleep 0.01; done
for i in $(seq 50); do
    echo overwritten 2>/dev/null > /proc/self/fd/3 && echo WRITTEN && exit 9
done
exit 0
"""


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


@pytest.fixture
def unharmed(pyoci, is_pyoci):
    """Nothing that the host executes for a container is changed by the test."""
    paths = [pyoci.binary, os.path.realpath("/proc/self/exe")]
    if is_pyoci:
        import pyoci as package

        paths.append(f"{os.path.dirname(package.__file__)}/init/pyoci-init")
    before = {path: digest(path) for path in paths}
    yield
    assert {path: digest(path) for path in paths} == before


@pytest.fixture
def own_copy(pyoci, is_pyoci, unharmed, tmp_path):
    """Nothing to lose but a copy: a test that succeeds in writing destroys nothing else."""
    if is_pyoci:
        return pyoci
    pyoci.binary = shutil.copy(pyoci.binary, tmp_path)
    return pyoci


@pytest.mark.parametrize("link", ["/proc/self/exe", "/proc/thread-self/exe", "/proc/1/exe"])
def test_cve_2019_5736_an_entrypoint_that_is_the_runtime_itself(pyoci, own_bundle, unharmed, link):
    os.symlink(link, f"{own_bundle.rootfs}/bin/entry")
    own_bundle.process["args"] = ["/bin/entry"]
    # What is executed, if anything, is the sealed copy of the init: it refuses to do anything.
    done = pyoci.run(own_bundle)
    assert done.returncode != 0
    assert "root" not in done.stdout


def test_cve_2019_5736_a_script_whose_interpreter_is_the_runtime(pyoci, own_bundle, unharmed):
    with open(f"{own_bundle.rootfs}/bin/entry", "w") as file:
        file.write("#!/proc/self/exe\n")
    os.chmod(f"{own_bundle.rootfs}/bin/entry", 0o755)
    own_bundle.process["args"] = ["/bin/entry"]
    assert pyoci.run(own_bundle).returncode != 0


def test_cve_2019_5736_the_init_is_held_open_and_written_when_it_has_gone(
    own_copy, own_bundle, unharmed, tmp_path
):
    pyoci = own_copy
    own_bundle.capabilities("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE")
    name = pyoci.create(own_bundle.script("touch /started; sleep 1000"))
    log = tmp_path / "log"
    (tmp_path / "attack").write_text(OVERWRITE)
    shutil.copy(tmp_path / "attack", f"{own_bundle.rootfs}/attack")
    with log.open("wb") as output:
        attack = subprocess.Popen(
            pyoci.command("exec", name, "sh", "/attack"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        while not os.path.exists(f"{own_bundle.rootfs}/holding"):
            assert attack.poll() is None, log.read_text()
        pyoci.ok("start", name)
        status = attack.wait(60)
    assert status == 0, log.read_text()
    # It was the init that it held, and not what PID 1 had become.
    assert "busybox" not in log.read_text()


def test_cve_2019_5736_no_program_of_the_host_is_ever_seen_inside(pyoci, own_bundle, armed):
    own_bundle.capabilities("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")
    own_bundle.process["args"] = [armed(own_bundle.rootfs, "spy"), "/seen", "exe"]
    name = pyoci.start(own_bundle)
    for _ in range(20):
        pyoci.ok("exec", name, "true")
    pyoci.ok("kill", name, "TERM")
    pyoci.await_status(name, "stopped")
    with open(f"{own_bundle.rootfs}/seen") as file:
        programs = {line.split(" ", 2)[2].strip() for line in file}
    inside = {"/bin/busybox", "/bin/spy"}
    assert inside <= programs
    # Everything else has no name on the host: it lives in memory only.
    assert all(program.startswith("/memfd:") for program in programs - inside), programs
