"""v1 cgroups in plans: their files are the host's to open, the container's process writes them."""

from __future__ import annotations

import pytest

from pyoci.plan.exec import ExecRequest, compile_exec

FILES = ["/sys/fs/cgroup/cpu/c1/tasks", "/sys/fs/cgroup/memory/c1/tasks"]


@pytest.fixture(params=["create", "exec"])
def plan(request, compiled, configuration, fake_host, plan_class):
    if request.param == "create":
        namespaces = [{"type": "mount"}, {"type": "network", "path": "/run/netns/x"}]
        return compiled(request={"cgroup_files": FILES}, linux={"namespaces": namespaces})
    found = ExecRequest(id="c1", pidfd=9, cgroup_files=FILES)
    process = {"cwd": "/", "args": ["id"]}
    return plan_class(compile_exec(configuration(), process, found, fake_host(), []), [])


def places(plan, name):
    return [index for index, found in enumerate(plan.names) if found == name]


def test_they_are_opened_in_the_callers_namespaces(plan):
    assert [found["path"] for found in plan.all("open_cgroup")] == FILES
    others = [*places(plan, "join_namespace"), *places(plan, "join_process"), plan.place("clone")]
    assert max(places(plan, "open_cgroup")) < min(others)


def test_the_process_joins_before_the_runtime_looks(plan):
    joins = places(plan, "join_cgroup")
    assert plan.place("clone") < min(joins)
    assert max(joins) < plan.place("sync", name="namespaces")


def test_every_file_that_is_opened_is_used(plan):
    opened = [found["slot"] for found in plan.all("open_cgroup")]
    assert [found["slot"] for found in plan.all("join_cgroup")] == opened
    assert len(set(opened)) == len(FILES)
