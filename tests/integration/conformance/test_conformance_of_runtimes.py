"""The suite against real runtimes, and against programs that are none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))

RUNC_FAULTS = {
    "domainname",
    "early-hook-failure",
    "hook-status",
    "masked-paths-absolute",
    "mount-option-defaults",
    "oci-version",
    "order-poststart",
    "poststop-failure",
    "readonly-paths-absolute",
    "rlimit-duplicate",
    "rootfs-propagation",
    "seccomp-default-errno",
    "seccomp-rule-names",
}
"""What runc 1.1 is known not to do; newer ones mend some of it."""


def judge(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "conformance", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=600,
    )


def left_over() -> list[str]:
    with open("/proc/self/mountinfo") as file:
        return [line for line in file if "/conformance-" in line]


@pytest.mark.slow
def test_our_runtime_fails_no_requirement(runtime) -> None:
    if os.path.basename(runtime) != "pyoci":
        pytest.skip("another runtime is under test")
    done = judge("--runtime", runtime, "--format", "json")
    results = json.loads(done.stdout)["results"]
    assert [(r["requirement"], r["detail"]) for r in results if r["status"] == "failed"] == []
    assert done.returncode == 0
    assert left_over() == []


def test_runc_passes_what_it_is_known_to_pass() -> None:
    if shutil.which("runc") is None:
        pytest.skip("runc is not installed")
    done = judge("--runtime", "runc", "--format", "json", "--only", "process.*")
    failed = {
        r["requirement"] for r in json.loads(done.stdout)["results"] if r["status"] == "failed"
    }
    assert failed <= RUNC_FAULTS
    assert left_over() == []


def test_program_that_is_no_runtime_cannot_be_judged() -> None:
    for program in ("false", "true"):
        done = judge("--runtime", program)
        assert done.returncode == 2
        assert done.stdout == ""
        assert f"{program} cannot be judged here" in done.stderr


def test_runtime_that_refuses_everything_passes_nothing(tmp_path) -> None:
    # Otherwise each requirement to refuse something would seem to hold.
    script = tmp_path / "refuse"
    script.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    script.chmod(0o755)
    done = judge("--runtime", str(script), "--only", "namespace-duplicate")
    assert (done.returncode, done.stdout) == (2, "")


def test_missing_command_and_missing_subject_are_usage_errors() -> None:
    assert "there is no command" in judge("--runtime", "no-such-runtime").stderr
    assert "give either --runtime or --layout" in judge().stderr
