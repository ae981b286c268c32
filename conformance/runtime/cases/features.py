"""features.md: what a runtime says of itself, and whether that is so."""

# ruff: noqa: D103  (the name of a case is what it claims)

from __future__ import annotations

import json
from typing import Any

import specs
from conformance.judge import CannotTellError, Judge
from conformance.runtime.driver import RuntimeFailedError, Trial
from conformance.runtime.suite import CASES


def _features(trial: Trial) -> dict[str, Any]:
    try:
        document = json.loads(trial.call("features").stdout)
    except (RuntimeFailedError, ValueError):
        raise CannotTellError("the runtime has no command `features`") from None
    if not isinstance(document, dict):
        raise CannotTellError("`features` gives no JSON object")
    return document


@CASES.about("features-schema")
def features_fit_the_schema(judge: Judge, trial: Trial) -> None:
    faults = specs.faults("runtime/features", _features(trial))
    judge.check("features-schema", not faults, "; ".join(faults[:3]))


@CASES.about("features-versions")
def stated_versions_are_taken(judge: Judge, trial: Trial) -> None:
    document = _features(trial)
    for member in ("ociVersionMin", "ociVersionMax"):
        config = trial.config("echo hello")
        config["ociVersion"] = document.get(member)
        refusal = trial.refusal(config)
        judge.check("features-versions", refusal is None, f"{member}: {refusal}")


@CASES.about("features-mount-options-data")
def options_of_file_systems_are_not_listed(judge: Judge, trial: Trial) -> None:
    listed = set(_features(trial).get("mountOptions") or ())
    data = {"mode", "size", "uid", "gid", "lowerdir", "upperdir", "newinstance"} & listed
    judge.check("features-mount-options-data", not data, f"listed are {', '.join(sorted(data))}")


@CASES.about("features-namespaces")
def listed_namespaces_are_known_ones(judge: Judge, trial: Trial) -> None:
    known = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"}
    listed = set((_features(trial).get("linux") or {}).get("namespaces") or ())
    judge.check("features-namespaces", listed <= known, f"unknown: {sorted(listed - known)}")
