"""Real engines, each in an enclosure, with each runtime: pyoci, and runc to compare with.

A test that fails with both runtimes is not pyoci's fault. An engine is started once for a session
(once for a worker); what tests create in it they remove.
"""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator

import pytest
from containerd_engine import Containerd
from docker_engine import Docker
from enclosure import Enclosure
from image import Image
from podman_engine import Podman

SHARE = os.path.abspath(f"{os.path.dirname(__file__)}/../../share/engines")

RUNTIMES = {"pyoci": "/usr/local/bin/pyoci", "runc": "/usr/sbin/runc"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.root)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="starts engines: needs root"))


def program(name: str) -> str:
    """Find a program of this environment."""
    path = os.path.join(os.path.dirname(sys.executable), name)
    if not os.access(path, os.X_OK):
        pytest.skip(f"{path} is missing (make venv)")
    return path


@pytest.fixture(params=list(RUNTIMES))
def runtime(request: pytest.FixtureRequest) -> str:
    """The runtime's name, as engines know it."""
    return str(request.param)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The test image, built by pyoci-builder."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is missing: apt-get install busybox-static")
    return Image(str(tmp_path_factory.mktemp("image")), program("pyoci-builder"), busybox)


@pytest.fixture(scope="session")
def new_enclosure(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Enclosure]]:
    """Gives enclosures that end with the session."""
    made: list[Enclosure] = []

    def new(engine: str) -> Enclosure:
        # pytest's directories are private; users inside have to get through.
        directory = f"/tmp/{engine}-{uuid.uuid4().hex[:8]}"
        made.append(Enclosure(directory, program("pyoci")))
        return made[-1]

    yield new
    for enclosure in made:
        enclosure.close()
        shutil.rmtree(enclosure.log_directory, ignore_errors=True)


def shipped(name: str) -> str:
    """Read a drop-in file that is shipped with the package."""
    with open(f"{SHARE}/{name}") as file:
        return file.read()


@pytest.fixture(scope="session")
def podman_machine(new_enclosure: Callable[[str], Enclosure], image: Image) -> Enclosure:
    """An enclosure where podman is set up and has the image."""
    enclosure = new_enclosure("podman")
    enclosure.write("/etc/containers/containers.conf.d/pyoci.conf", shipped("podman.conf"))
    Podman.prepare(enclosure, image)
    return enclosure


@pytest.fixture
def podman(podman_machine: Enclosure, runtime: str) -> Iterator[Podman]:
    """Podman as root. After the test nothing of it may be left."""
    engine = Podman(podman_machine, runtime)
    yield engine
    engine.clean_up()


@pytest.fixture(scope="module")
def podman_sleepers(podman_machine: Enclosure) -> Iterator[dict[str, Podman]]:
    """A sleeping container for each runtime, that the tests of a module share."""
    engines = {name: Podman(podman_machine, name) for name in RUNTIMES}
    for engine in engines.values():
        engine.start()
    yield engines
    for engine in engines.values():
        engine.clean_up()


@pytest.fixture
def podman_sleeper(podman_sleepers: dict[str, Podman], runtime: str) -> Podman:
    """Podman with a sleeping container, the first of its names."""
    return podman_sleepers[runtime]


@pytest.fixture(scope="session")
def docker_machine(new_enclosure: Callable[[str], Enclosure], image: Image) -> Enclosure:
    """An enclosure where dockerd runs, with the shipped file as its configuration."""
    enclosure = new_enclosure("docker")
    enclosure.write("/etc/docker/daemon.json", shipped("docker-daemon.json"))
    Docker.prepare(enclosure, image)
    return enclosure


@pytest.fixture
def docker(docker_machine: Enclosure, runtime: str) -> Iterator[Docker]:
    """Docker. After the test nothing of it may be left."""
    engine = Docker(docker_machine, runtime)
    yield engine
    engine.clean_up()


@pytest.fixture(scope="session")
def containerd_machine(new_enclosure: Callable[[str], Enclosure], image: Image) -> Enclosure:
    """An enclosure where containerd runs, with the shipped file in its configuration."""
    enclosure = new_enclosure("containerd")
    Containerd.prepare(enclosure, image, shipped("containerd.toml"))
    return enclosure


@pytest.fixture
def containerd(containerd_machine: Enclosure, runtime: str) -> Iterator[Containerd]:
    """Containerd. After the test nothing of it may be left."""
    engine = Containerd(containerd_machine, runtime)
    yield engine
    engine.clean_up()
