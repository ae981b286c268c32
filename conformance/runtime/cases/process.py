"""config.md "Process": what the program finds itself to be."""

# ruff: noqa: D103  (the name of a case is what it claims)

from __future__ import annotations

from typing import Any

from conformance.judge import FaultError, Judge
from conformance.runtime.driver import Trial
from conformance.runtime.suite import CASES

_SETS = {
    "bounding": "CapBnd",
    "effective": "CapEff",
    "inheritable": "CapInh",
    "permitted": "CapPrm",
    "ambient": "CapAmb",
}
_NUMBERS = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_NET_BIND_SERVICE": 10, "CAP_NET_RAW": 13}


def _status(trial: Trial, config: dict[str, Any]) -> dict[str, str]:
    """The program's /proc/self/status: of cat itself, not of a shell."""
    config["process"]["args"] = ["/bin/cat", "/proc/self/status"]
    pairs = (line.partition(":") for line in trial.run(config).splitlines())
    return {name: value.strip() for name, _, value in pairs}


@CASES.about("process-cwd")
def the_working_directory_is_the_configured_one(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["process"]["cwd"] = "/tmp"
    judge.equal("process-cwd", trial.lines("pwd -P", config), ["/tmp"], "the working directory")
    config = trial.config()
    config["process"]["cwd"] = "tmp"
    judge.check("process-cwd", trial.refusal(config), "a relative cwd was taken")


@CASES.about("process-env")
def the_environment_is_the_configured_one(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    wanted = ["PATH=/bin", "EMPTY=", "A=b=c", "B=two words"]
    config["process"]["env"] = wanted
    config["process"]["args"] = ["/bin/env"]
    found = trial.run(config).splitlines()
    # A runtime may add HOME where the configuration does not say it, as login(1) does.
    found = [entry for entry in found if not entry.startswith("HOME=")]
    judge.equal("process-env", sorted(found), sorted(wanted), "the environment")


@CASES.about("process-args", "process-args-search")
def the_arguments_are_the_configured_ones(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    wanted = ["", "two words", "-n", "é"]
    config["process"]["args"] = ["/bin/sh", "-c", 'for a; do echo "[$a]"; done', "name", *wanted]
    found = trial.run(config).splitlines()
    judge.equal("process-args", found, [f"[{word}]" for word in wanted], "the arguments")
    config["process"]["args"] = []
    judge.check("process-args", trial.refusal(config), "empty args were taken")
    config["process"]["args"] = ["echo", "found"]
    config["process"]["env"] = ["PATH=/nowhere:/bin"]
    judge.equal("process-args-search", trial.run(config), "found\n", "the output of echo")
    config["process"]["env"] = ["PATH=/nowhere"]
    judge.check("process-args-search", trial.refusal(config), "echo was found outside of PATH")


@CASES.about("user-uid", "user-gid", "user-additional-gids")
def the_user_is_the_configured_one(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["process"]["user"] = {"uid": 1234, "gid": 2345, "additionalGids": [7, 3456]}
    status = _status(trial, config)
    judge.equal("user-uid", status.get("Uid", "").split(), ["1234"] * 4, "Uid")
    judge.equal("user-gid", status.get("Gid", "").split(), ["2345"] * 4, "Gid")
    groups = set(status.get("Groups", "").split()) - {"2345"}
    judge.equal("user-additional-gids", groups, {"7", "3456"}, "Groups")


@CASES.about("user-umask")
def the_umask_is_the_configured_one(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["process"]["user"]["umask"] = 0o27
    judge.equal("user-umask", _status(trial, config).get("Umask"), "0027", "Umask")


@CASES.about("rlimit-values", "rlimit-type-unknown", "rlimit-duplicate")
def the_resource_limits_are_the_configured_ones(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["process"]["rlimits"] = [
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 1 << 20},
        {"type": "RLIMIT_NPROC", "soft": 300, "hard": 300},
    ]
    config["process"]["args"] = ["/bin/cat", "/proc/self/limits"]
    found = {line[:25].strip(): line[25:].split()[:2] for line in trial.run(config).splitlines()}
    for name, wanted in (
        ("Max open files", ["100", "200"]),
        ("Max core file size", ["0", str(1 << 20)]),
        ("Max processes", ["300", "300"]),
    ):
        judge.equal("rlimit-values", found.get(name), wanted, name)
    config["process"]["rlimits"] = [{"type": "RLIMIT_NOTHING", "soft": 1, "hard": 1}]
    judge.check("rlimit-type-unknown", trial.refusal(config), "RLIMIT_NOTHING was taken")
    one = {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}
    config["process"]["rlimits"] = [one, one]
    judge.check("rlimit-duplicate", trial.refusal(config), "RLIMIT_NOFILE was taken twice")


@CASES.about("capabilities-sets")
def each_capability_set_is_the_configured_one(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    names = {
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW"],
        "effective": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
        "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
        "inheritable": ["CAP_KILL", "CAP_NET_RAW"],
        "ambient": ["CAP_NET_RAW"],
    }
    config["process"]["user"] = {"uid": 1000, "gid": 1000}
    config["process"]["capabilities"] = names
    status = _status(trial, config)
    # After execve(2) by a user that is not root, what is ambient is permitted and effective.
    wanted = dict(names, effective=["CAP_NET_RAW"], permitted=["CAP_NET_RAW"])
    for kind, field in _SETS.items():
        mask = sum(1 << _NUMBERS[name] for name in wanted[kind])
        judge.equal("capabilities-sets", status.get(field), f"{mask:016x}", f"{field} of a user")
    config["process"]["user"] = {"uid": 0, "gid": 0}
    config["process"]["capabilities"] = {"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"]}
    found = _status(trial, config).get("CapBnd")
    judge.equal("capabilities-sets", found, f"{1 << 5:016x}", "CapBnd of root")


@CASES.about("capabilities-no-failure")
def a_capability_that_nobody_knows_does_not_fail(judge: Judge, trial: Trial) -> None:
    config = trial.config("echo hello")
    config["process"]["capabilities"] = {"bounding": ["CAP_KILL", "CAP_NOBODY_KNOWS"]}
    try:
        judge.equal("capabilities-no-failure", trial.run(config), "hello\n", "the output")
    except FaultError as error:
        judge.check("capabilities-no-failure", False, str(error))


@CASES.about("no-new-privileges")
def no_new_privileges_is_set_only_when_asked_for(judge: Judge, trial: Trial) -> None:
    for value in (True, False):
        config = trial.config()
        config["process"]["noNewPrivileges"] = value
        found = _status(trial, config).get("NoNewPrivs")
        judge.equal("no-new-privileges", found, str(int(value)), f"NoNewPrivs with {value}")


@CASES.about("oom-score-adj", "oom-score-adj-unset")
def oom_score_adj_is_the_configured_one(judge: Judge, trial: Trial) -> None:
    with open("/proc/self/oom_score_adj") as file:
        ours = file.read().strip()
    config = trial.config()
    found = trial.lines("cat /proc/self/oom_score_adj", config)
    judge.equal("oom-score-adj-unset", found, [ours], "oom_score_adj without setting it")
    config["process"]["oomScoreAdj"] = 321
    found = trial.lines("cat /proc/self/oom_score_adj", config)
    judge.equal("oom-score-adj", found, ["321"], "oom_score_adj")


@CASES.about("file-descriptors")
def the_program_has_three_open_files(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    # ls itself opens the directory it lists.
    config["process"]["args"] = ["/bin/ls", "/proc/self/fd"]
    found = trial.run(config).split()
    holds = len(found) == 4 and found[:3] == ["0", "1", "2"]
    judge.check("file-descriptors", holds, f"open are {found}")
