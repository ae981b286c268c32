"""The ids of exec's flags: decimal digits and nothing else (CVE-2026-30892)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyoci.commands.exec import _user
from pyoci.errors import UsageError

_DIGITS = frozenset("0123456789")


@pytest.mark.parametrize(
    "text",
    ["", "root", "-1", "+1", " 1", "1 ", "1_0", "0x10", "١", "４", "1:", ":1", "1:2:3", "1e3"],
)
def test_what_is_no_number_is_refused_and_nobody_becomes_root(text):
    with pytest.raises(UsageError):
        _user({"uid": 5, "gid": 6}, {"user": text or ":"})


@given(st.text(max_size=12))
def test_only_ascii_digits_are_taken(text):
    uid, colon, gid = text.partition(":")
    parts = [uid, gid] if colon else [uid]
    is_valid = all(part and _DIGITS.issuperset(part) and int(part) < 1 << 32 for part in parts)
    if not text:
        return  # the flag was not given
    if is_valid and all(len(part) <= 10 for part in parts):
        assert _user({}, {"user": text})["uid"] == int(uid)
    else:
        with pytest.raises(UsageError):
            _user({}, {"user": text})


def test_the_group_stays_when_only_the_user_is_given():
    assert _user({"uid": 1, "gid": 2}, {"user": "7"}) == {"uid": 7, "gid": 2}


def test_additional_groups_are_added():
    assert _user({"additionalGids": [1]}, {"additional_gids": ["2"]})["additionalGids"] == [1, 2]
