"""The runtime cannot be overwritten or read from inside a container (CVE-2019-5736)."""

from __future__ import annotations

import hashlib
import os

import pytest


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def programs(pyoci):
    """What of the runtime a container could hope to reach through /proc/PID/exe."""
    import pyoci as package

    directory = os.path.dirname(package.__file__)
    return [pyoci.binary, f"{directory}/init/pyoci-init", os.path.realpath("/proc/self/exe")]


@pytest.fixture
def unharmed(pyoci):
    before = {path: digest(path) for path in programs(pyoci)}
    yield
    assert {path: digest(path) for path in before} == before


@pytest.mark.parametrize("link", ["/proc/self/exe", "/proc/thread-self/exe"])
def test_cve_2019_5736_an_entrypoint_that_is_the_runtime_itself(pyoci, own_bundle, unharmed, link):
    os.symlink(link, f"{own_bundle.rootfs}/bin/entry")
    own_bundle.process["args"] = ["/bin/entry"]
    done = pyoci.run(own_bundle)
    # What is executed is the sealed copy of the init, which refuses to do anything.
    assert done.returncode != 0


def test_cve_2019_5736_a_script_whose_interpreter_is_the_runtime(pyoci, own_bundle, unharmed):
    with open(f"{own_bundle.rootfs}/bin/entry", "w") as file:
        file.write("#!/proc/self/exe\n")
    os.chmod(f"{own_bundle.rootfs}/bin/entry", 0o755)
    own_bundle.process["args"] = ["/bin/entry"]
    assert pyoci.run(own_bundle).returncode != 0


def test_cve_2019_5736_exec_of_the_runtime_while_another_process_writes(
    pyoci, own_bundle, unharmed
):
    # The container's init looks for a process whose exe it can open for writing, all the time that
    # exec is at work.
    own_bundle.capabilities("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")
    own_bundle.script(
        "while :; do for p in /proc/[0-9]*; do"
        " [ $p = /proc/1 ] || (: > $p/exe && echo $p >> /written) 2>/dev/null; done; done"
    )
    os.symlink("/proc/self/exe", f"{own_bundle.rootfs}/bin/self")
    name = pyoci.start(own_bundle)
    for _ in range(15):
        pyoci.call("exec", name, "/bin/self")
        pyoci.call("exec", name, "/bin/true")
    assert not os.path.exists(f"{own_bundle.rootfs}/written")
