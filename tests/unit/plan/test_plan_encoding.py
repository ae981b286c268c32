"""The plan as bytes, and what it means as text."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyoci.errors import SpecError
from pyoci.plan import describe
from pyoci.plan.encode import encode
from pyoci.plan.operations import CODES, OPERATIONS, Operation


def fields(code: int) -> list[str]:
    return [field.partition(":")[2] for field in OPERATIONS[code - 1][1].split()]


def decode(data: bytes) -> list[tuple[str, list[object]]]:
    """The format read by its description in `encode`, independently of the init's decoder."""
    assert data[:8] == b"pyociPL1"
    count, size = struct.unpack_from("<II", data, 8)
    assert size == len(data)
    at = 16
    found = []

    def number() -> int:
        nonlocal at
        at += 4
        return int.from_bytes(data[at - 4 : at], "little")

    def counted(terminated: bool) -> bytes:
        nonlocal at
        length = number()
        value = data[at : at + length]
        at += length
        if terminated:
            assert data[at] == 0
            at += 1
        return value

    for _ in range(count):
        code, length = number(), number()
        end = at + length
        values: list[object] = []
        for kind in fields(code):
            if kind in ("int", "slot"):
                values.append(int.from_bytes(data[at : at + 8], "little", signed=True))
                at += 8
            elif kind == "str":
                values.append(counted(True).decode("utf-8", "surrogateescape"))
            elif kind == "bytes":
                values.append(counted(False))
            else:
                values.append(
                    [counted(True).decode("utf-8", "surrogateescape") for _ in range(number())]
                )
        assert at == end
        found.append((OPERATIONS[code - 1][0], values))
    assert at == len(data)
    return found


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
KINDS = {
    "int": st.integers(-(2**63), 2**63 - 1),
    "slot": st.integers(-1, 511),
    "str": TEXT,
    "bytes": st.binary(),
    "list": st.lists(TEXT, max_size=4),
}


@st.composite
def operations(draw):
    name, signature = draw(st.sampled_from(OPERATIONS))
    values = [draw(KINDS[field.partition(":")[2]]) for field in signature.split()]
    return Operation(name, "", tuple(values))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(operations(), max_size=5))
def test_what_is_encoded_can_be_decoded_by_the_description_of_the_format(plan):
    expected = [(operation.name, list(operation.values)) for operation in plan]
    assert decode(encode(plan)) == expected


def test_unsigned_64_bit_numbers_fit():
    (found,) = decode(encode([Operation("umask", "", ((1 << 64) - 1,))]))
    assert found == ("umask", [-1])


def test_names_that_are_no_text_pass_through_unharmed():
    path = b"/\xff\xfe".decode("utf-8", "surrogateescape")
    assert b"/\xff\xfe\0" in encode([Operation("mask_path", "", (path,))])


def test_a_nul_character_is_refused_with_its_place():
    with pytest.raises(SpecError) as caught:
        encode([Operation("program", "/process/args", (["a\0b"], []))])
    assert caught.value.subject == "/process/args"


def test_every_operation_has_a_code_of_its_own_and_known_field_types():
    assert len(set(CODES.values())) == len(OPERATIONS)
    for code in CODES.values():
        assert set(fields(code)) <= set(KINDS)


def test_the_whole_plan_of_a_container_survives(compiled):
    plan = compiled(mounts=[{"destination": "/proc", "type": "proc"}])
    assert [name for name, _ in decode(encode(plan.operations))] == plan.names


# -- explain ---------------------------------------------------------------------------------------


def test_explain_says_where_an_operation_runs_and_where_it_comes_from(compiled):
    text = describe.text(compiled(hostname="h").operations, ["a warning"])
    lines = text.splitlines()
    assert any("host       open_tree path=/bundle/rootfs" in line for line in lines)
    (line,) = [line for line in lines if "hostname name=h" in line]
    assert "container" in line
    assert "<- /hostname" in line
    assert lines[-1] == "warning: a warning"


def test_explain_names_bits(compiled):
    text = describe.text(
        compiled(
            mounts=[{"destination": "/t", "type": "tmpfs", "options": ["nosuid", "noexec"]}],
            process={"capabilities": {"bounding": ["CAP_KILL"]}},
        ).operations,
        [],
    )
    assert "attributes=nosuid+noexec" in text
    assert "bounding_set capabilities=kill" in text


def test_every_operation_can_be_described_and_is_json(configuration, compiled):
    plan = compiled(
        request={"fifo": "/f", "report": "/r", "device_program": b"x", "cgroup_directory": "/c"},
        process={
            "oomScoreAdj": 1,
            "user": {"additionalGids": [1, 2], "umask": 2},
            "scheduler": {"policy": "SCHED_OTHER"},
        },
    )
    document = describe.document(plan.operations, plan.warnings)
    assert json.loads(json.dumps(document)) == document
    assert [row["operation"] for row in document["operations"]] == plan.names
    assert document["operations"][0]["where"] == "host"
    assert document["operations"][-1]["where"] == "container"
