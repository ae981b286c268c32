"""config-linux.md "Devices" and "Default Devices", runtime-linux.md."""

# ruff: noqa: D103  (the name of a case is what it claims)

from __future__ import annotations

from typing import Any

from conformance.judge import Judge
from conformance.runtime.driver import Trial
from conformance.runtime.suite import CASES

_DEFAULT = {
    "/dev/null": "1:3",
    "/dev/zero": "1:5",
    "/dev/full": "1:7",
    "/dev/random": "1:8",
    "/dev/urandom": "1:9",
    "/dev/tty": "5:0",
}
_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
}
_STAT = 'for f in {}; do stat -c "%n|%F|%t:%T|%a|%u|%g" $f; done'


def _stat(
    trial: Trial, paths: list[str], config: dict[str, Any] | None = None
) -> dict[str, list[str]]:
    lines = trial.lines(_STAT.format(" ".join(paths)), config)
    return {line.split("|")[0]: line.split("|")[1:] for line in lines}


@CASES.about("devices-default", "dev-symlinks")
def the_default_devices_and_links_are_there(judge: Judge, trial: Trial) -> None:
    found = _stat(trial, list(_DEFAULT))
    for path, numbers in _DEFAULT.items():
        entry = found.get(path, ["nothing", ""])
        holds = entry[:2] == ["character special file", numbers]
        judge.check("devices-default", holds, f"{path} is {' '.join(entry[:2])}")
    ptmx = trial.lines("readlink /dev/ptmx || stat -c %t:%T /dev/ptmx")
    usual = (["pts/ptmx"], ["/dev/pts/ptmx"], ["5:2"])
    judge.check("devices-default", ptmx in usual, f"/dev/ptmx is {ptmx}")
    lines = trial.lines(f"for f in {' '.join(_LINKS)}; do readlink $f; done")
    judge.equal("dev-symlinks", dict(zip(_LINKS, lines)), _LINKS, "where the links lead")


@CASES.about("devices-available", "devices-attributes")
def listed_devices_are_there(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["linux"]["devices"] = [
        {
            "path": "/dev/conformance",
            "type": "c",
            "major": 1,
            "minor": 5,
            "fileMode": 0o640,
            "uid": 12,
            "gid": 34,
        },
        {"path": "/dev/deep/fifo", "type": "p", "fileMode": 0o600, "uid": 0, "gid": 0},
    ]
    config["linux"]["resources"] = {
        "devices": [
            {"allow": False, "access": "rwm"},
            {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "rwm"},
        ]
    }
    found = _stat(trial, ["/dev/conformance", "/dev/deep/fifo"], config)
    device = found.get("/dev/conformance", ["nothing"])
    judge.equal("devices-available", device[:2], ["character special file", "1:5"], "the device")
    judge.equal("devices-attributes", device[2:], ["640", "12", "34"], "mode and owner")
    fifo = found.get("/dev/deep/fifo", ["nothing"])
    judge.equal("devices-available", fifo[0], "fifo", "/dev/deep/fifo")


@CASES.about("devices-no-others", "resources-devices")
def other_devices_cannot_be_used(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["process"]["capabilities"] = {
        kind: ["CAP_MKNOD", "CAP_DAC_OVERRIDE"] for kind in ("bounding", "effective", "permitted")
    }
    config["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    # 1:11 is /dev/kmsg, which every kernel has and no container should.
    script = (
        "mknod /tmp/d c 1 11 2> /dev/null && head -c 1 /tmp/d > /dev/null 2>&1 && echo used;"
        " head -c 1 /dev/zero > /dev/null && echo zero works"
    )
    lines = trial.lines(script, config)
    judge.check("devices-no-others", "used" not in lines, "a device that is not listed was read")
    judge.check("resources-devices", "zero works" in lines, "a default device cannot be used")
