"""The order of a start: what has to come before what, and the whole of it as text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyoci.plan import describe
from pyoci.plan.create import CreateRequest, compile_create
from pyoci.plan.process import Filter
from pyoci.spec.check import check_config
from pyoci.spec.default import default_config

GOLDEN = Path(__file__).parents[2] / "data/plan"
WAIT = {"fifo": "/state/exec.fifo", "report": "/state/start.report"}


@pytest.mark.parametrize(
    ("name", "ids", "unified"),
    [("default", None, False), ("default-unified", None, True), ("rootless", (1000, 1000), True)],
)
def test_the_plan_of_the_default_configuration_is_the_golden_one(name, ids, unified, fake_host):
    """PYOCI_UPDATE_GOLDEN=1 writes the files anew, for a change that was meant."""
    config = default_config(unified=unified, ids=ids)
    config["process"]["terminal"] = False
    warnings = check_config(config)
    host = fake_host({"/sys": "directory"}, unified=unified)
    if ids is not None:
        host.effective, host.euid, host.egid = 0, *ids
    request = CreateRequest(
        id="c1",
        bundle="/bundle",
        rootfs="/bundle/rootfs",
        cgroup_mounts=[("", "/sys/fs/cgroup/c1", "")]
        if unified
        else [
            ("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/c1", "cpu,cpuacct"),
            ("memory", "/sys/fs/cgroup/memory/c1", "memory"),
            ("name=systemd", "/sys/fs/cgroup/systemd/c1", "systemd"),
        ],
        **WAIT,
    )
    text = describe.text(compile_create(config, request, host, warnings), warnings)
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("PYOCI_UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_what_needs_the_host_comes_before_the_clone(compiled):
    plan = compiled(
        request=WAIT,
        mounts=[{"destination": "/d", "source": "/src/dir", "options": ["bind"]}],
        process={"oomScoreAdj": 5},
    )
    clone = plan.place("clone")
    for name in ("open_file", "open_tree", "write_file"):
        assert max(i for i, found in enumerate(plan.names) if found == name) < clone


def test_namespaces_are_ready_before_anything_is_mounted(compiled):
    plan = compiled()
    assert plan.place("clone") < plan.place("sync", name="namespaces")
    assert plan.place("sync", name="namespaces") < plan.place("unshare")
    assert plan.place("unshare") < plan.place("attach_root")


def test_the_private_procfs_is_opened_before_any_mount_of_the_container(compiled):
    """CVE-2025-52881: no mount may stand between the runtime and /proc."""
    proc = [{"destination": "/proc", "type": "proc"}]
    plan = compiled(mounts=proc, process={"apparmorProfile": "profile"})
    assert plan.place("open_proc") < plan.place("attach_root")
    assert plan.place("open_proc") < plan.place("attach_mount", target="/proc")
    assert "open_proc" not in compiled(mounts=proc).names, "nothing is written to it"


def test_mounts_come_in_the_listed_order_and_before_pivot_root(compiled):
    targets = ["/b", "/a", "/a/c"]
    plan = compiled(mounts=[{"destination": t, "type": "tmpfs"} for t in targets])
    found = [a["target"] for a in plan.all("attach_mount") if a["target"] in targets]
    assert found == targets
    assert plan.place("attach_mount", target="/a/c") < plan.place("pivot_root")


def test_paths_are_masked_after_the_last_mount_and_inside_the_root(compiled):
    plan = compiled(
        mounts=[{"destination": "/proc", "type": "proc"}],
        linux={"maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"]},
    )
    assert plan.place("pivot_root") < plan.place("readonly_path") < plan.place("mask_path")


def test_the_root_becomes_read_only_after_everything_was_made_in_it(compiled):
    plan = compiled(root={"readonly": True}, process={"cwd": "/srv/app"})
    assert plan.place("make_directory", path="/srv/app") < plan.place("root_readonly")


def test_a_read_only_tmpfs_is_writable_until_mount_points_are_made_in_it(compiled):
    plan = compiled(
        mounts=[
            {"destination": "/run", "type": "tmpfs", "options": ["ro"]},
            {"destination": "/run/inner", "type": "tmpfs"},
        ]
    )
    slot = plan.all("new_mount")[0]["slot"]
    assert plan.all("new_mount")[0]["attributes"] & 1 == 0
    assert plan.place("mount_attributes", slot=slot, set=1) > plan.place(
        "attach_mount", target="/run/inner"
    )


def test_privileges_are_given_up_in_the_order_of_the_kernel(compiled):
    plan = compiled(process={"noNewPrivileges": True})
    order = ["bounding_set", "set_user", "capabilities", "no_new_privileges", "find_program"]
    places = [plan.place(name) for name in order]
    assert places == sorted(places)


def test_the_working_directory_is_entered_as_root_and_again_as_the_user(compiled):
    plan = compiled(process={"cwd": "/home/u", "user": {"uid": 5, "gid": 5}})
    first, second = [i for i, name in enumerate(plan.names) if name == "change_directory"]
    assert first < plan.place("set_user") < second
    assert [a["tolerant"] for a in plan.all("change_directory")] == [1, 0]


def test_nothing_of_the_runtime_is_open_when_the_program_starts(compiled):
    plan = compiled(request={"preserve": 2})
    assert plan.one("close_files") == {"first": 5}
    assert plan.place("close_files") < plan.place("exec")


def test_the_container_is_created_before_it_waits_and_the_program_comes_last(compiled):
    plan = compiled(request=WAIT, hooks={"startContainer": [{"path": "/bin/hook"}]})
    assert plan.place("sync", name="created") < plan.place("wait_start")
    assert plan.place("wait_start") < plan.place("run_hook") < plan.place("exec")
    assert plan.names[-1] == "exec"


def test_run_does_not_wait(compiled):
    assert "wait_start" not in compiled().names


def test_hooks_run_at_their_time(compiled):
    plan = compiled(
        hooks={
            "prestart": [{"path": "/bin/p"}],
            "createContainer": [{"path": "/bin/c", "args": ["c", "x"], "env": ["A=b"]}],
            "startContainer": [{"path": "/bin/s", "timeout": 3}],
        }
    )
    create, start = plan.place("run_hook", path="/bin/c"), plan.place("run_hook", path="/bin/s")
    assert plan.place("sync", name="hooks") < create < plan.place("pivot_root") < start
    assert plan.operations[create].pointer == "/hooks/createContainer/0"
    assert plan.one("run_hook", path="/bin/c")["args"] == ["c", "x"]
    assert plan.one("run_hook", path="/bin/s")["args"] == ["/bin/s"]
    assert plan.one("run_hook", path="/bin/s")["timeout"] == 3


def test_without_early_hooks_there_is_no_stop_for_them(compiled):
    plan = compiled(hooks={"poststop": [{"path": "/bin/x"}]})
    assert plan.all("sync", name="hooks") == []


def test_hooks_are_told_the_status_of_their_time(compiled):
    plan = compiled(
        request={"state_json": ('{"status":"creating","pid":', "}")},
        hooks={
            "createContainer": [{"path": "/bin/c"}],
            "startContainer": [{"path": "/bin/s"}],
        },
    )
    assert '"creating"' in plan.one("run_hook", path="/bin/c")["state_head"]
    assert '"created"' in plan.one("run_hook", path="/bin/s")["state_head"]


@pytest.mark.parametrize("unprivileged", [False, True])
def test_a_filter_is_loaded_with_the_last_privileges_that_may_load_it(compiled, unprivileged):
    plan = compiled(
        request={"filter": Filter(b"12345678", 2)}, process={"noNewPrivileges": unprivileged}
    )
    if unprivileged:
        # seccomp(2): no_new_privs is enough, and nothing but exec follows.
        assert plan.names[-2:] == ["seccomp", "exec"]
    else:
        # CAP_SYS_ADMIN goes after it; whatever the filter might forbid has been done by then.
        last = len(plan.names) - 1 - plan.names[::-1].index("capabilities")
        assert plan.place("close_files") < plan.place("seccomp") < last
        before, after = plan.all("capabilities")
        assert before["permitted"] == after["permitted"] | 1 << 21
        assert before["effective"] == after["effective"]
    assert plan.one("seccomp")["program"] == b"12345678"


def test_a_listener_is_handed_on_while_the_runtime_is_still_there(compiled):
    plan = compiled(
        request={"filter": Filter(b"12345678", 0), "listener": 7, **WAIT},
        process={"noNewPrivileges": True},
    )
    assert plan.place("seccomp") < plan.place("sync", name="created")
    assert plan.one("inherit_file", number=7)["slot"] == plan.one("seccomp")["listener"]


def test_every_slot_is_filled_before_it_is_used(compiled):
    plan = compiled(
        request={**WAIT, "console_socket": "/c", "pidfd_socket": "/p", "cgroup_directory": "/g"},
        process={"terminal": True},
        mounts=[
            {"destination": "/d", "source": "/src/dir", "options": ["rbind", "ro"]},
            {"destination": "/t", "type": "tmpfs"},
        ],
        linux={
            "namespaces": [*({"type": t} for t in ("pid", "mount")), {"type": "ipc", "path": "/n"}]
        },
    )
    makers = ("open_tree", "open_file", "inherit_file", "connect_unix", "make_user_namespace")
    filled = {-1}
    for operation in plan.operations:
        arguments = operation.arguments()
        if operation.name in (*makers, "new_mount", "open_proc", "open_console"):
            assert arguments["slot"] not in filled
            filled.add(arguments["slot"])
        elif "slot" in arguments:
            assert arguments["slot"] in filled
    assert len(filled) > 8


def test_the_init_enters_its_cgroup_by_being_cloned_into_it(compiled):
    plan = compiled(request={"cgroup_directory": "/sys/fs/cgroup/c1", "device_program": b"BPF"})
    slot = plan.one("open_file", path="/sys/fs/cgroup/c1")["slot"]
    assert plan.one("clone")["cgroup"] == slot
    assert plan.one("load_device_program") == {"cgroup": slot, "program": b"BPF"}
    assert plan.place("load_device_program") < plan.place("clone")
