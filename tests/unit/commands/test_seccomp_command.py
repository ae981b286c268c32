"""`pyoci seccomp explain`, on profiles, configurations and bundles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyoci.commands import seccomp
from pyoci.errors import PyociError, SeccompError, UsageError

DATA = Path(__file__).parents[2] / "data/seccomp"
PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
    "syscalls": [
        {
            "names": ["socket"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}],
        }
    ],
}


class Invocation:
    def __init__(self, cwd):
        self.cwd = str(cwd)
        self.text = ""

    def write(self, text):
        self.text += text


@pytest.fixture
def explain(tmp_path):
    (tmp_path / "profile.json").write_text(json.dumps(PROFILE))

    def explain(*arguments, action="explain", **options):
        invocation = Invocation(tmp_path)
        assert seccomp.run(invocation, None, options, [action, *arguments]) == 0
        return invocation.text

    return explain


def test_the_answer_names_action_and_rule(explain):
    assert explain("profile.json", "socket", "1") == (
        "SCMP_ACT_ALLOW\n/linux/seccomp/syscalls/0: its comparisons hold\n"
    )
    assert explain("profile.json", "socket", "0x2").startswith("SCMP_ACT_ERRNO(1)\n")


def test_json_has_the_same_members(explain):
    found = json.loads(explain("profile.json", "socket", "1", format="json"))
    assert found["action"] == "SCMP_ACT_ALLOW"
    assert found["pointer"] == "/linux/seccomp/syscalls/0"


def test_a_bundle_stands_for_its_profile(explain, tmp_path):
    config = {"ociVersion": "1.2.0", "linux": {"seccomp": PROFILE}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    for path in (str(tmp_path), ".", "config.json"):
        assert explain(path, "socket", "1").startswith("SCMP_ACT_ALLOW")


def test_a_bundle_without_a_profile_is_told_so(explain, tmp_path):
    (tmp_path / "config.json").write_text('{"ociVersion": "1.2.0", "linux": {}}')
    with pytest.raises(SeccompError, match="every call is allowed"):
        explain(".", "socket")


def test_the_architecture_can_be_chosen(explain):
    assert "socket" not in explain("profile.json", "socket", "1", arch="SCMP_ARCH_AARCH64")
    assert explain("profile.json", "198", "1", arch="SCMP_ARCH_AARCH64").startswith("SCMP_ACT_ALL")
    assert explain("profile.json", "read", arch="SCMP_ARCH_S390X").startswith("SCMP_ACT_KILL")


def test_an_engines_template_is_refused(explain):
    with pytest.raises(SeccompError, match="is a template"):
        explain(str(DATA / "docker-default.json"), "socket")
    assert explain(str(DATA / "podman-oci.json"), "read").startswith("SCMP_ACT_ALLOW")


@pytest.mark.parametrize(
    "arguments",
    [
        ("missing.json", "read"),
        ("profile.json", "nosuchcall"),
        ("profile.json", "read", "one"),
        ("profile.json", "read", *"1234567"),
    ],
)
def test_wrong_arguments_are_one_line_errors(explain, arguments):
    with pytest.raises(PyociError) as caught:
        explain(*arguments)
    assert "\n" not in str(caught.value)


def test_another_action_or_form_is_refused(explain):
    with pytest.raises(UsageError, match="unknown action"):
        explain("profile.json", "read", action="explian")
    with pytest.raises(UsageError, match="invalid format"):
        explain("profile.json", "read", format="xml")
