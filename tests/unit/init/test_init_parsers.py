"""What the init reads, damaged or not: plans, an image's /etc/passwd, the kernel's mountinfo."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyoci.plan.encode import encode
from pyoci.plan.operations import CODES, MAX_SLOTS, OPERATIONS, Operation

U64 = (1 << 64) - 1


def value(kind: str, text: str) -> object:
    return {
        "int": -5,
        "slot": 7,
        "str": text,
        "bytes": bytes(range(256)),
        "list": [text, "", "ä=\udcff"],
    }[kind]


def every_operation(text: str = "/a b/ü") -> list[Operation]:
    return [
        Operation(name, "", tuple(value(f.partition(":")[2], text) for f in signature.split()))
        for name, signature in OPERATIONS
    ]


def shown(operations: list[Operation]) -> str:
    lines = []
    for operation in operations:
        lines.append(str(CODES[operation.name]))
        for field, item in zip(OPERATIONS[CODES[operation.name] - 1][1].split(), operation.values):
            kind = field.partition(":")[2]
            if isinstance(item, int):
                text = str(item & U64)
            elif isinstance(item, str):
                text = item.encode("utf-8", "surrogateescape").hex()
            elif isinstance(item, bytes):
                text = item.hex()
            else:
                text = "".join(f"{part.encode('utf-8', 'surrogateescape').hex()}," for part in item)
            lines.append(f"{ ({'int': 'i', 'slot': 'f'}.get(kind) or kind[0]) } {text}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def plan_file(tmp_path):
    def write(data: bytes):
        path = tmp_path / "plan"
        path.write_bytes(data)
        return path

    return write


def test_every_operation_is_read_as_it_was_written(parsers, plan_file):
    operations = every_operation()
    done = parsers("plan", plan_file(encode(operations)))
    assert done.returncode == 0
    assert done.stdout == shown(operations)


def test_an_empty_plan_is_a_plan(parsers, plan_file):
    assert parsers("plan", plan_file(encode([]))).returncode == 0


def test_every_beginning_of_a_plan_is_refused(parsers, plan_file):
    data = encode(every_operation())
    assert parsers("damage", plan_file(data)).stdout == f"{len(data)} of {len(data)}\n"


@pytest.mark.parametrize("number", [0, MAX_SLOTS - 1, U64])
def test_slots_that_exist_are_taken(parsers, plan_file, number):
    data = encode([Operation("open_proc", "", (number,))])
    assert parsers("plan", plan_file(data)).returncode == 0


@pytest.mark.parametrize("number", [MAX_SLOTS, 1 << 32, U64 - 1])
def test_slots_that_do_not_exist_are_refused(parsers, plan_file, number):
    data = encode([Operation("open_proc", "", (number,))])
    assert parsers("plan", plan_file(data)).returncode == 1


def damaged(change) -> bytes:
    data = bytearray(
        encode([Operation("hostname", "", ("name",)), Operation("new_session", "", ())])
    )
    change(data)
    return bytes(data)


def put(at: int, *numbers: int):
    def change(data: bytearray) -> None:
        data[at : at + len(numbers)] = bytes(numbers)

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(put(0, 0x50), id="another magic"),
        pytest.param(put(8, 1), id="fewer records than there are"),
        pytest.param(put(8, 3), id="more records than there are"),
        pytest.param(put(8, 255, 255, 255, 255), id="very many records"),
        pytest.param(put(12, 0), id="another length than the file's"),
        pytest.param(put(16, 0), id="operation 0"),
        pytest.param(put(16, len(OPERATIONS) + 1), id="an operation that is not in the table"),
        pytest.param(put(20, 8), id="a payload that is too short for its field"),
        pytest.param(put(20, 10), id="a payload with something behind its fields"),
        pytest.param(put(20, 255, 255, 255, 255), id="a payload that is longer than the plan"),
        pytest.param(put(24, 255, 255, 255, 255), id="a text that is longer than its payload"),
        pytest.param(put(24, 5), id="a text that takes its end for a character"),
        pytest.param(put(29, 0), id="a text with NUL inside"),
        pytest.param(put(32, 1), id="a text that does not end"),
        pytest.param(lambda data: data.append(0), id="something behind the plan"),
    ],
)
def test_damage_is_refused(parsers, plan_file, change):
    assert parsers("plan", plan_file(damaged(lambda data: None))).returncode == 0
    assert parsers("plan", plan_file(damaged(change))).returncode == 1


def test_a_list_that_counts_more_strings_than_it_has_is_refused(parsers, plan_file):
    data = bytearray(encode([Operation("program", "", (["a"], []))]))
    data[24:28] = b"\xff\xff\xff\xff"
    assert parsers("plan", plan_file(bytes(data))).returncode == 1


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))),
    st.binary(max_size=300),
)
def test_any_text_and_bytes_pass_unharmed(parsers, plan_file, texts, data):
    operations = [
        Operation("program", "", (texts, texts[::-1])),
        Operation("write_file", "", ("".join(texts), data)),
    ]
    assert parsers("plan", plan_file(encode(operations))).stdout == shown(operations)


PASSWD = """\
root:x:0:0:root:/root:/bin/sh
# a comment
no fields at all
short:x:5
user:x:1000:1000:A User,,,:/home/user:/bin/sh
again:x:1000:1000::/home/second:/bin/sh
empty:x:7:7:::/bin/sh
empty-later:x:7:7::/home/seven:/bin/sh
letters:x:1x:8::/home/letters:
none:x::8::/home/none:
large:x:4294967296:8::/home/zero:
last:x:4294967294:9::/home/last:"""


@pytest.mark.parametrize("chunk", [1, 2, 7, 1024])
@pytest.mark.parametrize(
    ("uid", "home"),
    [
        (0, "/root"),
        (1000, "/home/user"),
        (7, "/home/seven"),
        (4294967294, "/home/last"),
        (5, None),
        (1, None),
        (8, None),
    ],
)
def test_home_directory_of_the_first_whole_line_of_a_user(parsers, tmp_path, chunk, uid, home):
    (tmp_path / "passwd").write_text(PASSWD)
    done = parsers("passwd", uid, chunk, tmp_path / "passwd")
    assert (done.stdout.strip() or None) == home


@pytest.mark.parametrize(
    "line",
    [
        "u:x:5:5::" + "/h" * 5000 + ":/bin/sh\n",
        ":" * 100_000,
        "u:x:" + "5" * 100_000 + ":5::/home:\n",
        "u:x:5:5::/a\0b:/bin/sh\n",
    ],
)
def test_a_hostile_passwd_names_no_home(parsers, tmp_path, line):
    (tmp_path / "passwd").write_text(line)
    assert parsers("passwd", 5, 1000, tmp_path / "passwd").returncode == 1


def test_random_bytes_are_no_passwd(parsers, tmp_path):
    (tmp_path / "passwd").write_bytes(random.Random(1).randbytes(200_000))
    assert parsers("passwd", 0, 333, tmp_path / "passwd").returncode == 1


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw", "/mnt2 ext3"),
        ("22 1 0:5 / /proc rw - proc proc rw", "/proc proc"),
        (r"1 1 0:1 / /a\040b\134\011c rw shared:1 master:2 - sysfs x rw", "/a b\\\tc sysfs"),
        (r"1 1 0:1 / /end\04 rw - proc x rw", r"/end\04 proc"),
        (r"1 1 0:1 / /end\999 rw - proc x rw", r"/end\999 proc"),
        ("1 1 0:1 / /p rw proc x rw", "-"),
        ("1 1 0:1 / /p rw -", "-"),
        ("1 1 0:1 /", "-"),
        ("", "-"),
    ],
)
def test_lines_of_mountinfo(parsers, tmp_path, line, found):
    (tmp_path / "mountinfo").write_text(f"{line}\n")
    assert parsers("mountinfo", tmp_path / "mountinfo").stdout == f"{found}\n"


def test_numbers_are_decimal_and_bounded(parsers):
    words = [
        "0",
        "12,3",
        "2147483647",
        "2147483648",
        "99999999999999999999",
        "-1",
        "x",
        " 1",
        "007",
    ]
    assert parsers("numbers", *words).stdout.splitlines() == [
        "0 ",
        "12 ,3",
        "2147483647 ",
        "-1 2147483648",
        "-1 99999999999999999999",
        "-1 -1",
        "-1 x",
        "-1  1",
        "7 ",
    ]


def test_nothing_is_written_behind_a_buffer(parsers):
    assert parsers("append", 6, "abc", "defg", "de", "f", "").stdout.splitlines() == [
        "1 abc",
        "0 abc",
        "1 abcde",
        "0 abcde",
        "1 abcde",
    ]
