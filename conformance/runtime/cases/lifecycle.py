"""runtime.md: the state, the operations, what each must refuse."""

# ruff: noqa: D103  (the name of a case is what it claims)

from __future__ import annotations

import json
import os
from typing import Any

import specs
from conformance.judge import Judge
from conformance.runtime.bundles import write_config
from conformance.runtime.driver import RuntimeFailedError, Trial
from conformance.runtime.suite import CASES

_WAITS = "while test ! -e /out/go; do sleep 0.02; done; echo done"


def _with_out(trial: Trial, script: str) -> dict[str, Any]:
    config = trial.config(script)
    config["mounts"].append(
        {"destination": "/out", "type": "none", "source": "out", "options": ["bind"]}
    )
    return config


def _refused(trial: Trial, *words: str) -> bool:
    try:
        trial.call(*words)
    except RuntimeFailedError:
        return True
    return False


@CASES.about(
    *("state-oci-version", "state-id", "state-status", "state-pid", "state-bundle"),
    *("state-created", "state-running", "state-stopped", "state-schema", "query-returns-state"),
    *("create-no-program", "start-runs-process", "state-annotations"),
)
def a_container_s_state_follows_its_life(judge: Judge, trial: Trial) -> None:
    config = _with_out(trial, f"echo started > /out/started; {_WAITS}")
    config["annotations"] = {"org.example.key": "value", "org.example.empty": ""}
    container = trial.create(config)
    started = f"{container.bundle}/out/started"
    state = container.state()
    judge.check("query-returns-state", True, "")
    judge.equal("state-created", state.get("status"), "created", "status after create")
    judge.equal("state-id", state.get("id"), container.name, "id")
    judge.equal("state-bundle", state.get("bundle"), container.bundle, "bundle")
    judge.check("state-oci-version", isinstance(state.get("ociVersion"), str), "no string")
    judge.equal("state-annotations", state.get("annotations"), config["annotations"], "annotations")
    pid = state.get("pid")
    alive = isinstance(pid, int) and os.path.exists(f"/proc/{pid}")
    judge.check("state-pid", alive, f"pid {pid!r} of a created container is no process")
    _judge_schema(judge, state)
    judge.check("create-no-program", not os.path.exists(started), "create executed the program")
    container.start()
    judge.check("state-running", container.wait_status("running"), "never running after start")
    judge.equal("state-pid", container.state().get("pid"), pid, "pid after start")
    _judge_schema(judge, container.state())
    with open(f"{container.bundle}/out/go", "w"):
        pass
    text = container.output()
    judge.check("start-runs-process", text == "done\n", f"the program wrote {text!r}")
    judge.check("state-stopped", container.wait_status("stopped"), "not stopped after its exit")
    state = container.state()
    _judge_schema(judge, state)
    known = {"creating", "created", "running", "stopped"}
    judge.check("state-status", state["status"] in known, f"status is {state['status']!r}")


def _judge_schema(judge: Judge, state: object) -> None:
    faults = specs.faults("runtime/state", json.loads(json.dumps(state)))
    judge.check("state-schema", not faults, "; ".join(faults))


@CASES.about("query-needs-id", "query-unknown-id", "create-needs-id", "start-needs-id")
def operations_without_an_id_are_errors(judge: Judge, trial: Trial) -> None:
    bundle = trial.bundle(trial.config())
    judge.check("query-needs-id", _refused(trial, "state"), "state without an id succeeded")
    judge.check("query-unknown-id", _refused(trial, "state", "nobody"), "an unknown id has a state")
    refused = _refused(trial, "create", "--bundle", bundle)
    judge.check("create-needs-id", refused, "create without an id succeeded")
    judge.check("start-needs-id", _refused(trial, "start"), "start without an id succeeded")


@CASES.about("kill-needs-id", "delete-needs-id")
def kill_and_delete_without_an_id_are_errors(judge: Judge, trial: Trial) -> None:
    judge.check("kill-needs-id", _refused(trial, "kill"), "kill without an id succeeded")
    judge.check("delete-needs-id", _refused(trial, "delete"), "delete without an id succeeded")


@CASES.about("create-id-in-use")
def the_id_of_a_container_cannot_be_used_again(judge: Judge, trial: Trial) -> None:
    first = trial.create(trial.config())
    pid = first.state()["pid"]
    second = trial.container(trial.bundle(trial.config()), first.name)
    try:
        second.create()
        judge.check("create-id-in-use", False, "two containers have one id")
    except RuntimeFailedError:
        judge.equal("create-id-in-use", first.state().get("pid"), pid, "pid of the first")


@CASES.about("create-invalid-id")
def ids_that_lead_elsewhere_are_refused(judge: Judge, trial: Trial) -> None:
    bundle = trial.bundle(trial.config())
    for name in ("../escape", "a/b", "..", "."):
        try:
            trial.container(bundle, name).create()
            judge.check("create-invalid-id", False, f"the id {name!r} was taken")
        except RuntimeFailedError:
            judge.check("create-invalid-id", True, "")


@CASES.about("create-config-snapshot")
def changes_after_create_have_no_effect(judge: Judge, trial: Trial) -> None:
    container = trial.create(trial.config("echo before"))
    write_config(container.bundle, trial.config("echo after"))
    container.start()
    judge.equal("create-config-snapshot", container.output(), "before\n", "what the program wrote")


@CASES.about("start-only-created")
def a_container_starts_only_once(judge: Judge, trial: Trial) -> None:
    container = trial.create(_with_out(trial, f"echo x >> /out/count; {_WAITS}"))
    container.start()
    container.wait_status("running")
    refused = _refused(trial, "start", container.name)
    judge.check("start-only-created", refused, "a running container was started")
    with open(f"{container.bundle}/out/go", "w"):
        pass
    container.output()
    container.wait_stopped()
    refused = _refused(trial, "start", container.name)
    judge.check("start-only-created", refused, "a stopped container was started")
    with open(f"{container.bundle}/out/count") as file:
        judge.equal("start-only-created", file.read(), "x\n", "the trace of its starts")


@CASES.about("kill-only-alive", "kill-exact-signal")
def kill_sends_the_given_signal(judge: Judge, trial: Trial) -> None:
    script = (
        "trap 'echo USR1; exit' USR1; trap 'echo TERM; exit' TERM; trap 'echo HUP; exit' HUP;"
        " touch /out/ready; while :; do sleep 0.02; done"
    )
    for signal in ("USR1", "TERM", "HUP"):
        container = trial.create(_with_out(trial, script))
        container.start()
        while not os.path.exists(f"{container.bundle}/out/ready"):
            container.wait_status("running")
        container.kill(signal)
        judge.equal("kill-exact-signal", container.output(), f"{signal}\n", "the signal received")
    container.wait_stopped()
    refused = _refused(trial, "kill", container.name, "KILL")
    judge.check("kill-only-alive", refused, "kill of a stopped container succeeded")
    judge.equal("kill-only-alive", container.state().get("status"), "stopped", "status after it")


@CASES.about("delete-only-stopped")
def a_running_container_is_not_deleted(judge: Judge, trial: Trial) -> None:
    container = trial.create(_with_out(trial, _WAITS))
    container.start()
    container.wait_status("running")
    refused = _refused(trial, "delete", container.name)
    judge.check("delete-only-stopped", refused, "a running container was deleted")
    alive = container.exists() and container.state().get("status") == "running"
    judge.check("delete-only-stopped", alive, "the refused delete had an effect")


@CASES.about("delete-removes-own", "delete-leaves-others", "delete-id-reusable")
def delete_removes_what_create_made(judge: Judge, trial: Trial) -> None:
    before = _mounts(trial.directory)
    container = trial.create(_with_out(trial, "echo kept > /out/file"))
    container.start()
    container.output()
    container.wait_stopped()
    container.delete()
    judge.check("delete-removes-own", not container.exists(), "the container still has a state")
    judge.equal("delete-removes-own", _mounts(trial.directory), before, "mounts afterwards")
    kept = os.path.exists(f"{container.bundle}/out/file")
    judge.check("delete-leaves-others", kept, "a file of the bundle is gone")
    again = trial.container(container.bundle, container.name)
    again.create()
    judge.equal("delete-id-reusable", again.state().get("status"), "created", "status")


def _mounts(directory: str) -> list[str]:
    with open("/proc/self/mountinfo") as file:
        return [line for line in file if directory in line]


@CASES.about("operation-error-no-trace", "create-inapplicable-error")
def a_create_that_fails_leaves_nothing(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["mounts"].append(
        {"destination": "/mnt", "type": "none", "source": "/no/such/source", "options": ["bind"]}
    )
    container = trial.container(trial.bundle(config))
    before = _mounts(trial.directory)
    try:
        container.create()
        judge.check("create-inapplicable-error", False, "a mount without its source was no error")
        return
    except RuntimeFailedError:
        judge.check("create-inapplicable-error", True, "")
    judge.check("operation-error-no-trace", not container.exists(), "the container has a state")
    judge.equal("operation-error-no-trace", _mounts(trial.directory), before, "mounts afterwards")
