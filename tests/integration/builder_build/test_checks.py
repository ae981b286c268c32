"""The checks of images as part of a build, and as the command `check`."""

from __future__ import annotations

import json

import pytest

SECRET = "correct-horse-battery-staple"


@pytest.fixture
def run(bench):
    """Runs a command of the builder on a store of the test's own."""
    return bench.run


def dockerfile(tmp_path, text):
    context = tmp_path / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(text)
    return str(context)


def test_a_build_says_that_its_entrypoint_cannot_start(run, tmp_path):
    context = dockerfile(
        tmp_path, 'FROM busybox\nRUN echo x > /app\nUSER nobody-here\nENTRYPOINT ["/app"]\n'
    )
    done = run("build", context)
    text = done.stderr.decode()
    assert "ProgramNotExecutable: ENTRYPOINT starts /app" in text
    assert "UnknownUser" in text
    assert "ProgramNotExecutable" not in run("build", "--no-check", context).stderr.decode()


def test_a_secret_that_a_step_leaves_behind_fails_the_build(run, tmp_path):
    context = dockerfile(
        tmp_path, "FROM busybox\nRUN --mount=type=secret,id=token cp /run/secrets/token /kept\n"
    )
    (tmp_path / "token").write_text(SECRET)
    secret = ("--secret", f"id=token,src={tmp_path}/token")
    for _ in "executed", "cached":
        done = run("build", "-t", "leaking", *secret, context, check=False)
        assert done.returncode == 1
        message = done.stderr.decode().strip().splitlines()[-1]
        assert "the secret 'token' is in the file 'kept'" in message
        assert SECRET not in message
    assert "leaking" not in run("images").stdout.decode()


def test_a_secret_that_is_only_used_builds(run, tmp_path):
    context = dockerfile(
        tmp_path,
        "FROM busybox\nRUN --mount=type=secret,id=token wc -c /run/secrets/token > /size\n",
    )
    (tmp_path / "token").write_text(SECRET)
    run("build", "-t", "clean", "--secret", f"id=token,src={tmp_path}/token", context)
    assert "clean" in run("images").stdout.decode()


def test_check_judges_a_dockerfile_without_building_it(run, tmp_path):
    context = dockerfile(tmp_path, "FROM busybox AS Base\nRUN false\n")
    done = run("check", context, check=False)
    assert done.returncode == 1
    assert "Dockerfile:1: StageNameCasing: Stage name 'Base'" in done.stdout.decode()
    assert "   1 | FROM busybox AS Base" in done.stdout.decode()
    document = json.loads(run("check", "--format", "json", context, check=False).stdout)
    assert [finding["rule"] for finding in document["findings"]] == ["StageNameCasing"]
    (tmp_path / "context/Dockerfile").write_text("FROM busybox AS base\nRUN false\n")
    assert run("check", context).stdout == b""


def test_check_judges_an_image_of_the_store(run, tmp_path):
    run("build", "-t", "fine", dockerfile(tmp_path, 'FROM busybox\nCMD ["sh"]\n'))
    assert run("check", "--image", "fine").stdout == b""
    run("build", "-t", "broken", dockerfile(tmp_path, 'FROM busybox\nCMD ["bash"]\n'))
    done = run("check", "--image", "broken", "--format", "json", check=False)
    assert done.returncode == 1
    (result,) = json.loads(done.stdout)
    assert [problem["check"] for problem in result["problems"]] == ["ProgramNotFound"]
