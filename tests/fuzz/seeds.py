"""Writes the seeds of the fuzz targets: ``python tests/fuzz/seeds.py DIRECTORY``.

Plans are those of real configurations, so that the fuzzer begins deep inside the format.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from pyoci.plan.create import CreateRequest, compile_create  # noqa: E402
from pyoci.plan.encode import encode  # noqa: E402
from pyoci.plan.exec import ExecRequest, compile_exec  # noqa: E402
from pyoci.plan.host import Host  # noqa: E402
from pyoci.plan.process import Filter  # noqa: E402
from pyoci.spec.default import default_config  # noqa: E402


def configurations() -> Iterator[dict[str, Any]]:
    yield default_config(unified=True, ids=None)
    yield default_config(unified=True, ids=(1000, 1000))
    full = default_config(unified=True, ids=None)
    full["hooks"] = {
        "createContainer": [{"path": "/bin/hook", "args": ["hook", "x"], "env": ["A=b"]}],
        "startContainer": [{"path": "/bin/hook", "timeout": 5}],
    }
    full["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
    full["linux"]["devices"] = [{"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229}]
    full["process"]["user"]["additionalGids"] = [1, 2, 3]
    full["process"]["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
    yield full


def plans() -> Iterator[bytes]:
    host = Host(unified=True)
    for config in configurations():
        for wait in (
            {},
            {"fifo": "/s/fifo", "report": "/s/report", "console_socket": "/s/console"},
        ):
            request = CreateRequest(
                id="c",
                bundle="/b",
                rootfs="/b/rootfs",
                cgroup_mounts=[("", "/sys/fs/cgroup/c", "")],
                filter=Filter(bytes(range(64)), 2),
                state_json=('{"pid":', "}"),
                **wait,  # type: ignore[arg-type]
            )
            yield encode(compile_create(config, request, host, []))
        executed = ExecRequest(id="c", pidfd=7)
        yield encode(compile_exec(config, config["process"], executed, host, []))


def write(directory: Path, number: int, data: bytes) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"seed-{number}").write_bytes(data)


def main() -> None:
    top = Path(sys.argv[1])
    for number, plan in enumerate(plans()):
        write(top / "plan", number, plan)
    passwd = b"\x07root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:,,,:/home/user:/bin/sh\n"
    write(top / "passwd", 0, passwd)
    own = Path("/proc/self/mountinfo").read_bytes().splitlines()
    for number, line in enumerate([*own[:20], rb"1 1 0:1 / /a\040b rw shared:1 - proc proc rw"]):
        write(top / "mountinfo", number, os.fsencode(line))


if __name__ == "__main__":
    main()
