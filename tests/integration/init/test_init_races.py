"""Somebody swaps what is in the rootfs while a container is created over it (CVE-2021-30465)."""

from __future__ import annotations

import ctypes
import os
import threading

import pytest

RENAME_EXCHANGE = 2
AT_FDCWD = -100


@pytest.fixture
def swapping():
    """Swaps two names for one another, as fast as it can, until the test is over."""
    libc = ctypes.CDLL(None, use_errno=True)
    over = threading.Event()
    threads = []

    def start(left: str, right: str) -> None:
        def swap() -> None:
            while not over.is_set():
                result = libc.renameat2(
                    AT_FDCWD, left.encode(), AT_FDCWD, right.encode(), RENAME_EXCHANGE
                )
                if result:
                    failures.append(ctypes.get_errno())
                    return

        threads.append(threading.Thread(target=swap))
        threads[-1].start()

    failures: list[int] = []
    yield start
    over.set()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.fixture
def outside(tmp_path):
    """A directory of the host that nothing may appear in."""
    path = tmp_path / "outside"
    path.mkdir()
    yield path
    assert os.listdir(path) == []
    with open("/proc/self/mountinfo") as file:
        assert str(path) not in file.read()


@pytest.mark.parametrize("target", ["/a/place", "/a/new/place"])
def test_a_mount_point_that_turns_into_a_symlink(
    pyoci, own_bundle, outside, swapping, tmp_path, target
):
    source = tmp_path / "source"
    source.mkdir()
    os.mkdir(own_bundle.rootfs + "/a")
    os.symlink(outside, own_bundle.rootfs + "/b")
    own_bundle.mount(target, type="bind", source=str(source), options=["rbind"])
    own_bundle.script("true")
    swapping(own_bundle.rootfs + "/a", own_bundle.rootfs + "/b")
    for _ in range(25):
        # It works, or it says that it does not; never is anything of the host touched.
        assert pyoci.run(own_bundle).returncode in (0, 1)


def test_a_device_directory_that_turns_into_a_symlink(pyoci, own_bundle, outside, swapping):
    own_bundle.config["mounts"] = [
        m for m in own_bundle.config["mounts"] if not m["destination"].startswith("/dev")
    ]
    os.symlink(outside, own_bundle.rootfs + "/other")
    swapping(own_bundle.rootfs + "/dev", own_bundle.rootfs + "/other")
    for _ in range(25):
        pyoci.run(own_bundle.script("true"))


def test_a_masked_path_that_turns_into_a_symlink(pyoci, own_bundle, outside, swapping):
    os.mkdir(own_bundle.rootfs + "/hidden")
    os.symlink(outside, own_bundle.rootfs + "/link")
    own_bundle.linux["maskedPaths"] = ["/hidden"]
    own_bundle.linux["readonlyPaths"] = ["/hidden"]
    swapping(own_bundle.rootfs + "/hidden", own_bundle.rootfs + "/link")
    for _ in range(25):
        pyoci.run(own_bundle.script("true"))
