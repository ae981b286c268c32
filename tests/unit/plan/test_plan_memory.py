"""`/linux/memoryPolicy` and lists of numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyoci.errors import SpecError
from pyoci.plan.memory import LARGEST_NUMBER, bit_mask, memory_policy, parse_list


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", []),
        ("0", [0]),
        ("0-3,7", [0, 1, 2, 3, 7]),
        (" 1 , 2 ", [1, 2]),
        ("5-5", [5]),
        ("1,", [1]),
    ],
)
def test_lists_of_numbers(text, numbers):
    assert parse_list(text, "/x") == numbers


@pytest.mark.parametrize(
    "text", ["a", "1-", "-1", "3-1", "1-2-3", "１", "0x1", "1.5", "99999", "0-999999999", "1\n2"]
)
def test_what_is_no_list_is_refused_with_its_place(text):
    with pytest.raises(SpecError) as caught:
        parse_list(text, "/linux/memoryPolicy/nodes")
    assert caught.value.subject == "/linux/memoryPolicy/nodes"


@settings(derandomize=True)
@given(st.sets(st.integers(0, LARGEST_NUMBER - 1), max_size=20))
def test_a_mask_has_exactly_the_bits_of_the_numbers(numbers):
    mask = bit_mask(sorted(numbers))
    assert len(mask) % 8 == 0
    value = int.from_bytes(mask, "little")
    assert {n for n in range(value.bit_length()) if value >> n & 1} == numbers


def test_mode_flags_and_nodes():
    policy = {"mode": "MPOL_BIND", "nodes": "0-1", "flags": ["MPOL_F_STATIC_NODES"]}
    assert memory_policy(policy) == (2 | 1 << 15, b"\3" + bytes(7))
    assert memory_policy({"mode": "MPOL_DEFAULT"}) == (0, b"")
    assert memory_policy({"mode": "MPOL_PREFERRED", "nodes": ""}) == (1, b"")


@pytest.mark.parametrize(
    ("policy", "member"),
    [
        ({"mode": "MPOL_NONSENSE"}, "mode"),
        ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["X"]}, "flags/0"),
        ({"mode": "MPOL_LOCAL", "nodes": "0"}, "nodes"),
        ({"mode": "MPOL_DEFAULT", "nodes": "0"}, "nodes"),
        ({"mode": "MPOL_BIND"}, "nodes"),
        ({"mode": "MPOL_INTERLEAVE", "nodes": ""}, "nodes"),
    ],
)
def test_policies_that_make_no_sense(policy, member):
    with pytest.raises(SpecError) as caught:
        memory_policy(policy)
    assert caught.value.subject == f"/linux/memoryPolicy/{member}"
    assert caught.value.hint
