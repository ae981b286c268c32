"""config.md "POSIX-platform Hooks" and runtime.md "Lifecycle": when hooks run, and with what."""

# ruff: noqa: D103  (the name of a case is what it claims)

from __future__ import annotations

import json
import os
from typing import Any

from conformance.judge import CannotTellError, Judge
from conformance.runtime.driver import Container, RuntimeFailedError, Trial
from conformance.runtime.suite import CASES

_KINDS = (
    *("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"),
)
_SHELL = "/bin/sh"


def _hook(script: str, *words: str, **members: Any) -> dict[str, Any]:
    return {"path": _SHELL, "args": ["sh", "-c", script, *words], **members}


def _life(
    trial: Trial, kinds: tuple[str, ...] = _KINDS, twice: bool = False
) -> tuple[Container, str]:
    """Live a container whose hooks write their names and states to files; gives the directory."""
    if not os.path.exists(_SHELL):
        raise CannotTellError(f"this host has no {_SHELL} to run hooks with")
    config = trial.config("echo program >> /out/log")
    config["mounts"].append(
        {"destination": "/out", "type": "none", "source": "out", "options": ["bind"]}
    )
    container = trial.container(trial.bundle(config))
    out = f"{container.bundle}/out"
    config["hooks"] = {}
    for kind in kinds:
        # Only the last of them sees the container's own files.
        place = "/out" if kind == "startContainer" else out
        script = f"echo {kind}$1 >> {place}/log; cat > {place}/{kind}$1.json"
        names = ["", "-second"] if twice else [""]
        env = ["PATH=/usr/bin:/bin"]
        config["hooks"][kind] = [_hook(script, "sh", name, env=env) for name in names]
    with open(f"{container.bundle}/config.json", "w") as file:
        json.dump(config, file)
    container.create()
    _note(out, "create returned")
    container.start()
    _note(out, "start returned")
    container.output()
    container.wait_stopped()
    container.delete()
    _note(out, "delete returned")
    return container, out


def _note(out: str, text: str) -> None:
    with open(f"{out}/log", "a") as file:
        file.write(f"{text}\n")


def _log(out: str) -> list[str]:
    with open(f"{out}/log") as file:
        return file.read().splitlines()


@CASES.about(
    *("order-prestart", "order-create-runtime", "order-create-container"),
    *("order-start-container", "order-poststart", "order-poststop", "hook-order"),
)
def hooks_run_in_their_order(judge: Judge, trial: Trial) -> None:
    _, out = _life(trial, twice=True)
    log = _log(out)

    def before(requirement: str, *names: str) -> None:
        places = [log.index(name) if name in log else -1 for name in names]
        holds = -1 not in places and places == sorted(places)
        judge.check(requirement, holds, f"the order was {', '.join(log)}")

    before("order-prestart", "prestart", "createRuntime")
    before("order-create-runtime", "prestart-second", "createRuntime", "createContainer")
    before("order-create-container", "createRuntime-second", "createContainer", "create returned")
    before("order-start-container", "create returned", "startContainer", "program")
    before("order-poststart", "startContainer", "poststart", "start returned")
    before("order-poststop", "start returned", "poststop", "delete returned")
    for kind in _KINDS:
        before("hook-order", kind, f"{kind}-second")


@CASES.about("hook-state", "hook-status")
def hooks_read_the_state(judge: Judge, trial: Trial) -> None:
    container, out = _life(trial)
    statuses = {
        "prestart": ("creating", "created"),
        "createRuntime": ("creating", "created"),
        "createContainer": ("creating", "created"),
        "startContainer": ("created", "starting"),
        "poststart": ("running", "stopped"),
        "poststop": ("stopped",),
    }
    for kind in _KINDS:
        try:
            with open(f"{out}/{kind}.json") as file:
                state = json.load(file)
        except (OSError, ValueError) as error:
            judge.check("hook-state", False, f"{kind} read no state: {error}")
            continue
        judge.equal("hook-state", state.get("id"), container.name, f"id in the state of {kind}")
        found = state.get("status")
        # Runtimes differ on whether the environment is "created" before create has returned.
        judge.check("hook-status", found in statuses[kind], f"status for {kind} is {found!r}")


@CASES.about("hook-args", "hook-env", "hook-path")
def hooks_get_their_arguments_and_environment(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    container = trial.container(trial.bundle(config))
    out = f"{container.bundle}/out"
    script = f'echo "$0|$1|$2" > {out}/args; /usr/bin/env > {out}/env'
    config["hooks"] = {"createRuntime": [_hook(script, "zero", "one", "two words", env=["A=1"])]}
    with open(f"{container.bundle}/config.json", "w") as file:
        json.dump(config, file)
    container.create()
    with open(f"{out}/args") as file:
        judge.equal("hook-args", file.read(), "zero|one|two words\n", "the arguments")
    with open(f"{out}/env") as file:
        found = {line.partition("=")[0] for line in file.read().splitlines()}
    # What a shell sets by itself.
    judge.equal("hook-env", found - {"PWD", "SHLVL", "_", "OLDPWD"}, {"A"}, "the environment")
    config = trial.config()
    config["hooks"] = {"createRuntime": [{"path": "bin/true"}]}
    judge.check("hook-path", trial.refusal(config), "a relative path was taken")


@CASES.about("early-hook-failure")
def a_hook_that_fails_early_stops_the_container(judge: Judge, trial: Trial) -> None:
    for kind in ("prestart", "createRuntime", "createContainer", "startContainer"):
        config = trial.config("echo program")
        config["hooks"] = {kind: [_hook("exit 3")]}
        container = trial.container(trial.bundle(config))
        try:
            container.create()
            container.start()
            judge.check("early-hook-failure", False, f"a failed {kind} hook was no error")
            continue
        except RuntimeFailedError:
            text = container.output()
        judge.check("early-hook-failure", text == "", f"the program ran in spite of {kind}")


@CASES.about("hook-timeout", "hook-timeout-positive")
def a_hook_is_aborted_at_its_timeout(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["hooks"] = {"createRuntime": [_hook("sleep 15", timeout=1, env=["PATH=/usr/bin:/bin"])]}
    judge.check("hook-timeout", trial.refusal(config), "a hook of 15 s passed a timeout of 1 s")
    config["hooks"] = {"createRuntime": [_hook("true", timeout=0)]}
    judge.check("hook-timeout-positive", trial.refusal(config), "a timeout of 0 was taken")


@CASES.about("poststop-failure")
def a_failed_poststop_hook_is_a_warning(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    container = trial.container(trial.bundle(config))
    out = f"{container.bundle}/out"
    config["hooks"] = {"poststop": [_hook("exit 3"), _hook(f"echo ran > {out}/second")]}
    with open(f"{container.bundle}/config.json", "w") as file:
        json.dump(config, file)
    container.create()
    container.start()
    container.output()
    container.wait_stopped()
    try:
        container.delete()
    except RuntimeFailedError as error:
        judge.check("poststop-failure", False, str(error))
    ran = os.path.exists(f"{out}/second")
    judge.check("poststop-failure", ran, "the hook after the failed one did not run")
