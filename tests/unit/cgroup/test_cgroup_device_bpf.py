"""The device program against the specification's meaning of a rule list, on random devices."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyoci import cgroup as cgroups
from pyoci.cgroup import default_device_rules
from pyoci.cgroup.device_bpf import ACCESS, INSTRUCTION_SIZE, TYPES, compile_rules
from pyoci.cgroup.devices import DeviceList
from pyoci.errors import CgroupError

MASK = 0xFFFFFFFF


def allowed(rules, kind, major, minor, letters):
    """The specification: in order, the last rule that matches decides, for each letter."""
    for letter in letters:
        answer = False
        for rule in rules:
            kinds = {"a": "bc", "u": "c"}.get(rule.get("type") or "a", rule.get("type"))
            access = rule.get("access")
            if (
                kind in kinds
                and rule.get("major", -1) in (-1, None, major)
                and rule.get("minor", -1) in (-1, None, minor)
                and letter in ("rwm" if access is None else access)
            ):
                answer = rule["allow"]
        if not answer:
            return False
    return True


def interpret(program, kind, major, minor, letters, byteorder="little"):
    """Run the program as the kernel does; strict where the verifier is."""
    if not program:
        return True
    context = {
        0: TYPES[kind] | sum(ACCESS[letter] for letter in letters) << 16,
        4: major,
        8: minor,
    }
    registers = {1: "context"}
    at = steps = 0
    while True:
        assert at * INSTRUCTION_SIZE < len(program), "runs off its end"
        code = program[at * 8 : at * 8 + 8]
        operation, nibbles = code[0], code[1]
        destination, source = nibbles & 15, nibbles >> 4
        if byteorder == "big":
            destination, source = source, destination
        offset = int.from_bytes(code[2:4], byteorder, signed=True)
        immediate = int.from_bytes(code[4:8], byteorder)
        at += 1
        steps += 1
        if operation == 0x95:
            return bool(registers[0])
        if operation == 0x61:
            assert registers[source] == "context"
            registers[destination] = context[offset]
        elif operation == 0xBC:
            registers[destination] = registers[source] & MASK
        elif operation == 0xB4:
            registers[destination] = immediate
        elif operation == 0x54:
            registers[destination] &= immediate
        elif operation == 0x74:
            registers[destination] >>= immediate
        elif operation == 0x05:
            at += offset
        elif operation == 0x56:
            at += offset if registers[destination] != immediate else 0
        elif operation == 0x46:
            at += offset if registers[destination] & immediate else 0
        else:
            raise AssertionError(f"operation {operation:#x}")
        assert offset >= 0


def reachable(program):
    """Every instruction that control flow reaches: the verifier refuses a program with others."""
    seen, todo = set(), [0]
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        operation = program[at * 8]
        offset = int.from_bytes(program[at * 8 + 2 : at * 8 + 4], "little", signed=True)
        if operation == 0x95:
            continue
        if operation != 0x05:
            todo.append(at + 1)
        if operation in (0x05, 0x56, 0x46):
            todo.append(at + 1 + offset)
    return seen


numbers = st.sampled_from([0, 1, 3, 5, 136, 4095, 0xFFFFFFFF])
rule = st.fixed_dictionaries(
    {"allow": st.booleans()},
    optional={
        "type": st.sampled_from(["a", "b", "c", "u", ""]),
        "major": st.one_of(st.just(-1), numbers),
        "minor": st.one_of(st.just(-1), numbers),
        "access": st.sampled_from(["", "r", "w", "m", "rw", "wm", "rwm", "mrw"]),
    },
)
rule_lists = st.lists(rule, max_size=12)
LETTERS = ["r", "w", "m", "rw", "rm", "rwm"]
devices = st.tuples(st.sampled_from("bc"), numbers, numbers, st.sampled_from(LETTERS))


@settings(max_examples=400, deadline=None)
@given(rule_lists, st.lists(devices, min_size=20, max_size=20))
def test_program_answers_as_the_ordered_list(rules, wanted):
    program = compile_rules(rules, "little")
    for kind, major, minor, letters in wanted:
        assert interpret(program, kind, major, minor, letters) == allowed(
            rules, kind, major, minor, letters
        )


@settings(max_examples=100, deadline=None)
@given(rule_lists, devices)
def test_big_endian_program_answers_the_same(rules, device):
    assert interpret(compile_rules(rules, "big"), *device, byteorder="big") == allowed(
        rules, *device
    )


@settings(max_examples=200, deadline=None)
@given(rule_lists)
def test_program_has_no_dead_code(rules):
    program = compile_rules(rules, "little")
    if program:
        assert reachable(program) == set(range(len(program) // 8))


@settings(max_examples=400, deadline=None)
@given(rule_lists)
def test_v1_list_answers_as_the_ordered_list_or_is_refused(rules):
    try:
        form = DeviceList(rules)
    except CgroupError as error:
        assert error.subject == "/linux/resources/devices"
        return
    for kind, major, minor, letters in itertools.product("bc", [0, 1, 3, 7], [0, 1, 3, 7], LETTERS):
        answer = kernel_v1(form, kind, major, minor, letters)
        expected = allowed(rules, kind, major, minor, letters)
        if len(letters) == 1:
            assert answer == expected
        else:
            assert expected or not answer, "more is allowed than the list says"


def kernel_v1(form, kind, major, minor, letters):
    """security/device_cgroup.c: one exception has to allow all of it, any may deny some of it."""
    for (its_kind, its_major, its_minor), access in form.exceptions.items():
        if its_kind != kind or its_major not in (None, major) or its_minor not in (None, minor):
            continue
        if form.default and set(letters) & set(access):
            return False
        if not form.default and set(letters) <= set(access):
            return True
    return form.default


@settings(max_examples=200, deadline=None)
@given(rule_lists)
def test_v1_list_is_refused_only_without_a_form(rules):
    """Refusal means: neither polarity has wildcards that cover just what is marked."""
    try:
        DeviceList(rules)
    except CgroupError:
        marks = [0, 1, 3, 5, 136, 4095, 0xFFFFFFFF, 77]  # 77 stands for all other numbers
        for default in (False, True):
            fits = True
            for kind, letter in itertools.product("bc", "rwm"):
                table = {
                    (a, i): allowed(rules, kind, a, i, letter) != default
                    for a in marks
                    for i in marks
                }
                for (a, i), marked in table.items():
                    if not marked:
                        continue
                    row = all(table[a, other] for other in marks)
                    column = all(table[other, i] for other in marks)
                    single = a != 77 and i != 77
                    fits = fits and (
                        all(table.values()) or single or (row and a != 77) or (column and i != 77)
                    )
            assert not fits


def test_everything_allowed_needs_no_program():
    assert compile_rules([{"allow": True, "access": "rwm"}, *default_device_rules()]) == b""


def test_empty_list_denies_everything():
    program = compile_rules([], "little")
    assert not interpret(program, "c", 1, 3, "r")


def test_default_rules_allow_null_and_no_disk():
    program = compile_rules([{"allow": False}, *default_device_rules()], "little")
    assert interpret(program, "c", 1, 3, "rw")
    assert interpret(program, "c", 136, 7, "rw")
    assert interpret(program, "b", 8, 0, "m")
    assert not interpret(program, "b", 8, 0, "r")
    assert not interpret(program, "c", 10, 200, "rw")


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        ({"allow": True, "type": "p"}, "/linux/resources/devices/1"),
        ({"allow": True, "access": "rx"}, "/linux/resources/devices/1"),
        ({"allow": True, "major": -2}, "/linux/resources/devices/1/major"),
        ({"allow": True, "minor": 1 << 32}, "/linux/resources/devices/1/minor"),
    ],
)
def test_invalid_rule_is_named(rule, where):
    with pytest.raises(CgroupError) as caught:
        compile_rules([{"allow": False}, rule])
    assert caught.value.subject == where


def test_v1_writes_start_with_deny_all():
    writes = DeviceList([{"allow": False, "access": "rwm"}, *default_device_rules()]).writes()
    assert writes[0] == ("devices.deny", "a")
    assert ("devices.allow", "c 1:3 rwm") in writes
    assert ("devices.allow", "b *:* m") in writes
    assert {file for file, _ in writes[1:]} == {"devices.allow"}


def test_v1_privileged_container_is_one_write():
    rules = [{"allow": True, "access": "rwm"}, *default_device_rules()]
    assert DeviceList(rules).writes() == [("devices.allow", "a")]


def test_v1_wildcard_with_later_exceptions_becomes_an_allow_list():
    rules = [
        {"allow": True},
        {"allow": False, "type": "c", "access": "rw"},
        *default_device_rules(),
    ]
    writes = DeviceList(rules).writes()
    assert writes[0] == ("devices.deny", "a")
    assert set(writes[1:]) >= {
        ("devices.allow", "b *:* rwm"),
        ("devices.allow", "c *:* m"),
        ("devices.allow", "c 1:3 rwm"),
    }


def test_compiler_can_be_called_again_and_again():
    # A module of the function's name would take its place in the package once it is imported.
    first = cgroups.device_program([{"allow": False}])
    assert cgroups.device_program([{"allow": False}]) == first
