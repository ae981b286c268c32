"""podman build and buildah bud: RUN steps by the runtime."""

from __future__ import annotations

import json

import pytest
from podman_engine import IMAGE, Podman

CONTAINERFILE = f"""\
FROM {IMAGE}
ARG VALUE=default
RUN echo "$VALUE" > /value && echo "out of the step" && hostname
RUN --mount=type=tmpfs,target=/scratch touch /scratch/x && ! touch /proc/sys/kernel/x 2>/dev/null
USER user
RUN id -un > /tmp/user
COPY file /copied
CMD ["cat", "/value", "/tmp/user", "/copied"]
"""


@pytest.fixture
def context(podman: Podman) -> str:
    path = f"/run/context-{podman.new_name()}"
    podman.enclosure.write(f"{path}/Containerfile", CONTAINERFILE)
    podman.enclosure.write(f"{path}/file", "a file\n")
    return path


def builder(podman: Podman, engine: str) -> list[str]:
    """Give the command that builds; pyoci is podman's default runtime, buildah is told."""
    path = {"pyoci": "/usr/local/bin/pyoci", "runc": "/usr/sbin/runc"}[podman.runtime]
    if engine == "podman":
        return podman.command("build", "--isolation=oci")
    return ["buildah", "bud", "--isolation=oci", "--runtime", path]


@pytest.mark.parametrize("engine", ["podman", "buildah"])
def test_built_image_runs(podman: Podman, context: str, engine: str) -> None:
    tag = f"localhost/{podman.new_name()}"
    command = builder(podman, engine)
    said = podman.enclosure.ok(*command, "--build-arg=VALUE=given", "--tag", tag, context)
    assert "out of the step" in said
    assert podman.ok("run", "--rm", "--name", podman.new_name(), tag) == "given\nuser\na file"
    history = json.loads(podman.ok("history", "--format=json", tag))
    assert len(history) > 5
    podman.ok("rmi", tag)


@pytest.mark.parametrize("engine", ["podman", "buildah"])
def test_failing_step_fails_the_build(podman: Podman, engine: str) -> None:
    path = f"/run/context-{podman.new_name()}"
    podman.enclosure.write(f"{path}/Containerfile", f"FROM {IMAGE}\nRUN echo before; exit 42\n")
    done = podman.enclosure.call(*builder(podman, engine), path)
    assert "before" in done.stdout + done.stderr
    assert "exit status 42" in done.stderr
    assert done.returncode == 42 if engine == "podman" else done.returncode != 0


def test_running_a_command_in_a_working_container(podman: Podman) -> None:
    working = podman.enclosure.ok("buildah", "from", IMAGE).strip()
    runtime = {"pyoci": "/usr/local/bin/pyoci", "runc": "/usr/sbin/runc"}[podman.runtime]
    run = ["buildah", "run", "--isolation=oci", "--runtime", runtime]
    try:
        done = podman.enclosure.call(*run, working, "sh", "-c", "echo fine; exit 5")
        assert (done.stdout, done.returncode) == ("fine\n", 5)
    finally:
        podman.enclosure.ok("buildah", "rm", working)
