"""What is given as a user is one, or an error; never root by accident (CVE-2026-30892)."""

from __future__ import annotations

import pytest

# What parsers have taken for a number: signs, spaces, other digits, overflows, prefixes.
NOT_IDS = [
    "-1",
    "+1",
    "-0",
    " 0",
    "1 ",
    "0x1",
    "1e3",
    "1_0",
    "1.0",
    "user",
    "root",
    "4294967295",
    "4294967296",
    "8589934592",
    "18446744073709551616",
    "99999999999999999999999999",
    "\u0661",  # a digit of another script
    "\u00b2",  # a superscript
    "1\n",
    ",",
    ":",
    ":0",
    "1:",
    "1:-1",
    "1:4294967295",
    "1:4294967296",
    "1:user",
    "1:2:3",
    "1000:\u0661",
]


@pytest.fixture
def sleeper(pyoci, bundle):
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    return pyoci.start(bundle.script("sleep 1000"))


@pytest.mark.parametrize("user", NOT_IDS)
def test_cve_2026_30892_what_is_no_id_executes_nothing(pyoci, sleeper, user):
    done = pyoci.call("exec", f"--user={user}", sleeper, "id", "-u")
    assert done.returncode != 0
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("user", "expected"),
    [("0", "0:1000"), ("7", "7:1000"), ("7:8", "7:8"), ("4294967294:4294967294", None)],
)
def test_cve_2026_30892_an_id_is_the_one_that_is_given(pyoci, sleeper, user, expected):
    text = pyoci.ok("exec", "--user", user, sleeper, "sh", "-c", "echo $(id -u):$(id -g)")
    assert text.strip() == (expected or user)


@pytest.mark.parametrize("group", [group for group in NOT_IDS if group != ","])
def test_cve_2026_30892_what_is_no_group_executes_nothing(pyoci, sleeper, group):
    done = pyoci.call("exec", f"--additional-gids={group}", sleeper, "id", "-G")
    assert done.returncode != 0
    assert done.stdout == ""


@pytest.mark.parametrize("number", [-1, 1 << 32, (1 << 32) - 1, 1 << 64, 1.5, "0", True])
@pytest.mark.parametrize("field", ["uid", "gid"])
def test_cve_2026_30892_nor_does_the_configuration_say_so(pyoci, bundle, field, number):
    bundle.process["user"] = {"uid": 1000, "gid": 1000, field: number}
    done = pyoci.run(bundle.script("id -u; id -g"))
    assert done.returncode != 0
    assert done.stdout == ""
