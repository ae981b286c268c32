"""Long values reach the init as they are, and are not taken for something else (CVE-2021-43784).

runc counted the bytes of a value in 16 bits: what came after the first 65,536 was read as the next
instruction.
"""

from __future__ import annotations

import hashlib
import os
import subprocess

import pytest

from pyoci.plan.operations import CODES

# What each may hold at most is 128 KiB (MAX_ARG_STRLEN of execve(2)).
LENGTHS = [255, 256, 65534, 65535, 65536, 65537, 65536 + 256, 131000]


def long_value(length):
    """A value that is another one as soon as a byte of it is missing or moved."""
    return "".join(chr(ord("0") + at * at % 43) for at in range(length))


@pytest.mark.parametrize("length", LENGTHS)
def test_cve_2021_43784_a_long_argument_and_variable_arrive_whole(pyoci, bundle, length):
    value = long_value(length)
    bundle.process["args"] = [
        "sh",
        "-c",
        'printf %s "$1$VALUE" > /out/value; grep Cap /proc/self/status',
        "sh",
        value,
    ]
    bundle.process["env"].append(f"VALUE={value[:130000]}")
    out = os.path.join(bundle.path, "out")
    os.mkdir(out)
    bundle.mount("/out", type="bind", source=out, options=["rbind"])
    text = pyoci.output(bundle)
    with open(f"{out}/value", "rb") as file:
        assert (
            hashlib.sha256(file.read()).digest()
            == hashlib.sha256((value + value[:130000]).encode()).digest()
        )
    assert "CapEff:\t0000000020000420" in text


def test_cve_2021_43784_ids_mapped_by_a_very_long_list_are_those_of_the_list(pyoci, own_bundle):
    """The list of mappings was where the overflow was. The kernel takes a page of them."""
    own_bundle.namespace("user")
    for kind in ("uidMappings", "gidMappings"):
        own_bundle.linux[kind] = [
            {"containerID": number, "hostID": 100000 + number * 7, "size": 1}
            for number in range(250)
        ]
    os.chown(own_bundle.rootfs, 100000, 100000)
    lines = pyoci.output(own_bundle.script("cat /proc/self/uid_map")).split("\n")
    assert len(lines) == 251
    assert lines[249].split() == ["249", str(100000 + 249 * 7), "1"]


def test_cve_2021_43784_more_mappings_than_that_are_refused(pyoci, own_bundle):
    own_bundle.namespace("user")
    for kind in ("uidMappings", "gidMappings"):
        own_bundle.linux[kind] = [
            {"containerID": number * 3, "hostID": 100000 + number * 7, "size": 1}
            for number in range(7000)
        ]
    done = pyoci.run(own_bundle.script("echo RUNS"))
    assert done.returncode != 0
    assert done.stdout == ""


# -- the decoder itself ----------------------------------------------------------------------------


@pytest.fixture
def init(is_pyoci):
    if not is_pyoci:
        pytest.skip("the plan is pyoci's own")
    import pyoci as package

    path = f"{os.path.dirname(package.__file__)}/init/pyoci-init"

    def execute(plan: bytes) -> tuple[int, bytes]:
        """Give the init a plan; its exit status and what it reports."""
        file = os.memfd_create("plan", 0)
        os.write(file, plan)
        status_read, status_write = os.pipe()
        go_read, go_write = os.pipe()
        given = (file, status_write, go_read)
        for number in given:
            os.set_inheritable(number, True)
        done = subprocess.run(
            [path, ",".join(map(str, given))], pass_fds=given, capture_output=True, timeout=60
        )
        os.close(status_write)
        report = os.read(status_read, 65536)
        for number in (file, status_read, go_read, go_write):
            os.close(number)
        return done.returncode, report

    return execute


def record(code, payload):
    return code.to_bytes(4, "little") + len(payload).to_bytes(4, "little") + payload


def a_plan(*records, count=None, size=None):
    body = b"".join(records)
    return (
        b"pyociPL1"
        + (len(records) if count is None else count).to_bytes(4, "little")
        + (16 + len(body) if size is None else size).to_bytes(4, "little")
        + body
    )


UMASK, HOSTNAME, PROGRAM = (CODES[name] for name in ("umask", "hostname", "program"))
FULL, HALF = b"\xff\xff\xff\xff", b"\x00\x00\x00\x80"
MALFORMED = {
    "no-bytes-at-all": b"",
    "half-a-header": b"pyociPL1\1\0\0",
    "another-magic": b"pyociPL2" + bytes(8),
    "more-records-than-there-are": a_plan(record(UMASK, bytes(8)), count=2),
    "fewer-records-than-there-are": a_plan(record(UMASK, bytes(8)), count=0),
    "the-largest-count": a_plan(record(UMASK, bytes(8)), count=0xFFFFFFFF),
    "a-size-that-is-larger": a_plan(record(UMASK, bytes(8)), size=1 << 20),
    "a-size-that-wraps": a_plan(record(UMASK, bytes(8)), size=0xFFFFFFFF),
    "an-operation-that-is-none": a_plan(record(0, b"")),
    "an-operation-beyond-the-last": a_plan(record(0xFFFFFFFF, b"")),
    "a-record-longer-than-the-plan": a_plan(UMASK.to_bytes(4, "little") + FULL + bytes(8)),
    "a-record-of-half-the-address-space": a_plan(UMASK.to_bytes(4, "little") + HALF + bytes(8)),
    "a-number-cut-short": a_plan(record(UMASK, bytes(7))),
    "bytes-after-the-last-field": a_plan(record(UMASK, bytes(9))),
    "a-text-longer-than-its-record": a_plan(record(HOSTNAME, b"\5\0\0\0box\0")),
    "a-text-of-the-largest-length": a_plan(record(HOSTNAME, FULL + b"box\0")),
    "a-text-whose-end-wraps": a_plan(record(HOSTNAME, b"\xfb\xff\xff\xffbox\0")),
    # Nothing in the rest of the last page happens to end it.
    "a-text-that-runs-off-the-last-page": a_plan(
        record(HOSTNAME, FULL + b"x" * (4096 - 16 - 8 - 4))
    ),
    "a-text-without-its-end": a_plan(record(HOSTNAME, b"\3\0\0\0boxx")),
    "a-text-with-a-nul-in-it": a_plan(record(HOSTNAME, b"\3\0\0\0b\0x\0")),
    "a-list-of-the-largest-count": a_plan(record(PROGRAM, FULL + bytes(4))),
    "a-list-whose-item-is-longer": a_plan(
        record(PROGRAM, b"\1\0\0\0\xff\xff\xff\x7fa\0" + bytes(4))
    ),
    "16-bits-of-a-length": a_plan(record(HOSTNAME, (65536 + 3).to_bytes(4, "little") + b"box\0")),
}


@pytest.mark.parametrize("plan", MALFORMED.values(), ids=MALFORMED.keys())
def test_cve_2021_43784_a_malformed_plan_is_refused_before_anything_is_done(init, plan):
    # Were the beginning executed, the umask's or the host name's operation would be reported as
    # the end of a plan without a program.
    status, report = init(plan)
    assert status == 1
    assert b"reading the plan" in report
    assert report[4:8] == FULL  # no operation is to blame


def test_a_plan_in_order_is_not(init):
    status, report = init(a_plan(record(UMASK, bytes(8))))
    assert status == 1
    assert b"the plan ends without exec" in report


def test_an_id_as_long_as_a_file_name_has_a_keyring(pyoci, bundle):
    """What the kernel says of a keyring is longer than one that has an ordinary name."""
    name = "k" * 255
    pyoci.ids.append(name)
    bundle.linux["maskedPaths"] = []
    bundle.script("grep -o '_ses.kk*' /proc/keys").write()
    assert pyoci.ok("run", "--bundle", bundle.path, name).strip() == f"_ses.{name}"
