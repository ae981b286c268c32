"""The backends against the kernel: whatever hierarchies this host has, and systemd if it runs."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import uuid

import pytest

from pyoci import cgroup as cgroups
from pyoci.cgroup.device_attach import attach_program
from pyoci.cgroup.hierarchies import read_hierarchies
from pyoci.errors import CgroupError

HOST = read_hierarchies()
UNIFIED = HOST.layout == "unified"
SYSTEMD = os.path.isdir("/run/systemd/system")
MIB = 1 << 20
DENY = [{"allow": False, "access": "rwm"}]

pytestmark = pytest.mark.skipif(HOST.layout == "none", reason="no cgroup hierarchy is mounted")


def directories_named(name):
    return [
        f"{top}/{directory}"
        for top, inner, _ in os.walk("/sys/fs/cgroup")
        for directory in inner
        if name in directory
    ]


class Box:
    """Stands for create and the container's processes: makes cgroups, and processes inside."""

    def __init__(self, manager):
        self.systemd = manager == "systemd"
        self.token = f"box{uuid.uuid4().hex[:10]}"
        self.path = (
            f"system.slice:{self.token}:c" if self.systemd else f"/{self.token}-top/{self.token}"
        )
        self.processes = []
        self.made = []

    def resolve(self, path=None):
        cgroup = cgroups.resolve(
            path or self.path, self.token, systemd=self.systemd, rootless=False
        )
        self.made.append(cgroup)
        return cgroup

    def spawn(self, script):
        """A process that waits for a line before it runs the script."""
        process = subprocess.Popen(
            ["sh", "-c", f"read line; {script}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.processes.append(process)
        return process

    def fill(self, cgroup, script="echo here; exec sleep 1000", resources=None, wait=True):
        """What create does, and start: the process runs its script inside."""
        resources = resources or {}
        process = self.spawn(script)
        cgroup.create(resources)
        cgroup.apply(resources)
        if UNIFIED and not self.systemd:
            # The container's init attaches it when it is about to clone.
            rules = cgroups.effective_device_rules(resources)
            attach_program(cgroup.directory_for_clone(), cgroups.device_program(rules))
        cgroup.attach(process.pid)
        self.go(process)
        if wait:
            assert process.stdout.readline() == b"here\n"
        return process

    def go(self, process):
        process.stdin.write(b"\n")
        process.stdin.flush()

    def clean_up(self):
        for cgroup in self.made:
            with contextlib.suppress(CgroupError):
                cgroup.kill(9)
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
        for cgroup in self.made:
            cgroup.remove()


@pytest.fixture(params=["direct", "systemd"])
def box(request):
    if request.param == "systemd" and not SYSTEMD:
        pytest.skip("systemd does not run here")
    box = Box(request.param)
    yield box
    box.clean_up()
    assert not directories_named(box.token), "left over"


@pytest.fixture
def direct():
    box = Box("direct")
    yield box
    box.clean_up()
    assert not directories_named(box.token), "left over"


@pytest.fixture
def scope():
    if not SYSTEMD:
        pytest.skip("systemd does not run here")
    box = Box("systemd")
    yield box
    box.clean_up()
    assert not directories_named(box.token), "left over"


def content(cgroup, controller, legacy, unified):
    """The content of a v1 file or the v2 file of the same meaning."""
    paths = cgroup.paths()
    path = f"{paths['']}/{unified}" if UNIFIED else f"{paths[controller]}/{legacy}"
    with open(path) as file:
        return file.read().strip()


def has_swap_limit():
    if UNIFIED:
        return True
    memory = next((h for h in HOST.legacy if "memory" in h.controllers), None)
    return memory is not None and os.path.exists(f"{memory.mountpoint}/memory.memsw.limit_in_bytes")


def test_limits_are_in_the_files(box):
    cgroup = box.resolve()
    box.fill(
        cgroup,
        resources={
            "memory": {"limit": 64 * MIB},
            "pids": {"limit": 50},
            "cpu": {"quota": 50000, "period": 100000, "shares": 512, "cpus": "0", "mems": "0"},
        },
    )
    assert content(cgroup, "memory", "memory.limit_in_bytes", "memory.max") == str(64 * MIB)
    assert content(cgroup, "pids", "pids.max", "pids.max") == "50"
    assert content(cgroup, "cpuset", "cpuset.cpus", "cpuset.cpus") == "0"
    if UNIFIED:
        assert content(cgroup, "", "", "cpu.max") == "50000 100000"
        assert content(cgroup, "", "", "cpu.weight") == "59"
    else:
        assert content(cgroup, "cpu", "cpu.cfs_quota_us", "") == "50000"
        assert content(cgroup, "cpu", "cpu.shares", "") == "512"


def test_process_is_in_every_hierarchy(box):
    cgroup = box.resolve()
    process = box.fill(cgroup)
    for path in cgroup.paths().values():
        with open(f"{path}/cgroup.procs") as file:
            assert str(process.pid) in file.read().split()
    assert cgroup.pids() == [process.pid]


def test_limit_of_processes_holds(box):
    cgroup = box.resolve()
    process = box.fill(
        cgroup,
        "echo here; for i in 1 2 3 4 5 6; do sleep 1000 >/dev/null 2>&1 & done; echo all",
        resources={"pids": {"limit": 3}},
    )
    assert b"all" not in process.stdout.read()
    assert process.wait() != 0


def test_update_grows_and_shrinks_memory_with_swap(box):
    cgroup = box.resolve()
    process = box.fill(cgroup, resources={"memory": {"limit": 64 * MIB}})
    sizes = [256, 32, 128] if has_swap_limit() else []
    for size in sizes:
        cgroup.apply({"memory": {"limit": size * MIB, "swap": size * MIB}})
        assert content(cgroup, "memory", "memory.limit_in_bytes", "memory.max") == str(size * MIB)
    cgroup.apply({"memory": {"limit": -1}})
    unlimited = content(cgroup, "memory", "memory.limit_in_bytes", "memory.max")
    assert unlimited == "max" or int(unlimited) > 1 << 60
    assert process.poll() is None


def test_update_leaves_the_rest_alone(box):
    cgroup = box.resolve()
    box.fill(cgroup, resources={"memory": {"limit": 64 * MIB}, "pids": {"limit": 50}})
    cgroup.apply({"pids": {"limit": -1}})
    assert content(cgroup, "pids", "pids.max", "pids.max") == "max"
    assert content(cgroup, "memory", "memory.limit_in_bytes", "memory.max") == str(64 * MIB)


@pytest.mark.parametrize(
    "rules",
    [
        DENY,
        # Systemd and v1 have other forms for this: it denies one device only.
        [{"allow": True}, {"allow": False, "type": "c", "major": 1, "minor": 11}],
    ],
    ids=["allow-list", "deny-list"],
)
def test_device_that_is_not_allowed_cannot_be_opened(box, rules):
    if not os.path.exists("/dev/kmsg"):
        pytest.skip("no /dev/kmsg")
    cgroup = box.resolve()
    process = box.fill(
        cgroup,
        "exec 2>&1; : </dev/null && echo null; : </dev/kmsg && echo kmsg; exit 0",
        resources={"devices": rules},
        wait=False,
    )
    output = process.stdout.read()
    assert b"null\n" in output
    assert b"\nkmsg\n" not in output
    assert b"ermitted" in output


def test_allowed_device_can_be_opened(box):
    if not os.path.exists("/dev/kmsg"):
        pytest.skip("no /dev/kmsg")
    cgroup = box.resolve()
    allow = {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}
    process = box.fill(
        cgroup,
        ": </dev/kmsg && echo kmsg",
        resources={"devices": [*DENY, allow]},
        wait=False,
    )
    assert process.stdout.read() == b"kmsg\n"


def test_frozen_process_dies_of_sigterm_only_when_thawed(box):
    cgroup = box.resolve()
    process = box.fill(cgroup, "trap 'echo term; exit' TERM; echo here; while :; do sleep 1; done")
    cgroup.freeze()
    assert cgroup.frozen()
    cgroup.kill(15)
    assert cgroup.frozen(), "kill thawed a cgroup that it had not frozen"
    assert process.poll() is None
    cgroup.thaw()
    assert not cgroup.frozen()
    assert b"term\n" in process.stdout.read()


def test_sigkill_ends_frozen_processes(box):
    cgroup = box.resolve()
    process = box.fill(cgroup, "sleep 1000 & sleep 1000 & echo here; wait")
    cgroup.freeze()
    cgroup.kill(9)
    process.wait()
    cgroup.remove()
    assert not cgroup.exists()


def test_signal_reaches_every_process_once(box, tmp_path):
    cgroup = box.resolve()
    count = (
        f"trap 'echo x >>{tmp_path}/hits' USR1; echo up >>{tmp_path}/up; while :; do read y; done"
    )
    fifo = f"{tmp_path}/fifo"
    os.mkfifo(fifo)
    process = box.fill(
        cgroup,
        f"exec <>{fifo}; ( {count} ) & ( {count} ) & trap '' USR1; "
        f"until [ $(wc -l <{tmp_path}/up) = 2 ]; do :; done 2>/dev/null; echo here; wait; wait",
    )
    cgroup.kill(10)
    hits = tmp_path / "hits"
    while not hits.exists() or len(hits.read_text()) < 4:
        assert process.poll() is None
    cgroup.kill(9)
    process.wait()
    assert hits.read_text() == "x\nx\n"


def test_sigkill_catches_what_is_being_forked(box):
    cgroup = box.resolve()
    process = box.fill(
        cgroup,
        "echo here; while :; do sleep 0.001 & : ; done",
        resources={"pids": {"limit": 60}},
    )
    cgroup.kill(9)
    process.wait()
    cgroup.remove()
    assert not cgroup.exists()


def test_remove_takes_cgroups_made_inside(direct):
    cgroup = direct.resolve()
    process = direct.fill(cgroup)
    for path in set(cgroup.paths().values()):
        os.makedirs(f"{path}/inner/deep")
    cgroup.kill(9)
    process.wait()
    cgroup.remove()
    assert not directories_named(direct.token)


def test_processes_that_live_make_remove_fail_with_their_pids(direct):
    cgroup = direct.resolve()
    process = direct.fill(cgroup)
    with pytest.raises(CgroupError, match=str(process.pid)):
        cgroup.remove()
    assert process.poll() is None


def test_ancestors_that_were_there_stay(direct):
    cgroup = direct.resolve()
    tops = [os.path.dirname(path) for path in cgroup.paths().values()]
    for top in dict.fromkeys(tops):
        os.mkdir(top)
    try:
        cgroup.create({})
        cgroup.remove()
        assert all(os.path.isdir(top) for top in tops)
    finally:
        for top in dict.fromkeys(tops):
            os.rmdir(top)


def test_cgroup_made_by_the_engine_is_used_and_stays(direct):
    cgroup = direct.resolve()
    leaves = list(dict.fromkeys(cgroup.paths().values()))
    for leaf in leaves:
        os.makedirs(leaf)
    try:
        process = direct.fill(cgroup)
        os.mkdir(f"{leaves[0]}/inner")
        assert cgroup.pids() == [process.pid]
        later = cgroups.from_record(cgroup.record())
        later.kill(9)
        process.wait()
        later.remove()
        assert all(os.path.isdir(leaf) for leaf in leaves)
        assert not os.path.exists(f"{leaves[0]}/inner")
    finally:
        for leaf in leaves:
            os.rmdir(leaf)
            os.rmdir(os.path.dirname(leaf))


def test_occupied_cgroup_is_refused_and_its_processes_are_left_alone(box):
    first = box.resolve()
    process = box.fill(first)
    second = box.resolve()
    with pytest.raises(CgroupError, match=f"in use.*{process.pid}") as caught:
        second.create({})
    assert caught.value.subject == "/linux/cgroupsPath"
    # What a failing create does next.
    second.kill(9)
    second.remove()
    assert process.poll() is None
    assert first.pids() == [process.pid]


def test_record_of_an_occupied_cgroup_kills_nobody(box):
    """create is killed between storing the record and noticing that the cgroup is in use."""
    process = box.fill(box.resolve())
    found = cgroups.from_record(box.resolve().record())
    found.kill(9)
    found.remove()
    assert not found.exists()
    assert process.poll() is None


def test_frozen_ancestor_is_refused(direct):
    outer = direct.resolve(f"/{direct.token}-top")
    outer.create({})
    outer.freeze()
    inner = direct.resolve()
    with pytest.raises(CgroupError, match="frozen"):
        inner.create({})
    inner.remove()
    outer.thaw()
    outer.remove()


def test_record_taken_before_create_finds_all_that_is_made(direct):
    cgroup = direct.resolve()
    record = cgroup.record()
    direct.fill(cgroup)
    found = cgroups.from_record(record)
    found.kill(9)
    direct.processes[-1].wait()
    found.remove()
    assert not directories_named(direct.token)


def test_record_of_what_was_never_made_is_removed_in_silence(box):
    found = cgroups.from_record(box.resolve().record())
    assert not found.exists()
    found.kill(9)
    found.remove()


@pytest.mark.parametrize(
    ("resources", "where"),
    [
        ({"cpu": {"cpus": "4000"}}, "/linux/resources/cpu/cpus"),
        ({"cpu": {"quota": 1, "period": 100000}}, "/linux/resources/cpu/quota"),
        (
            {"hugepageLimits": [{"pageSize": "3MB", "limit": 0}]},
            "/linux/resources/hugepageLimits/0",
        ),
    ],
)
def test_refused_limit_is_named_and_nothing_is_left(direct, resources, where):
    cgroup = direct.resolve()
    cgroup.create(resources)
    with pytest.raises(CgroupError) as caught:
        cgroup.apply(resources)
    assert caught.value.subject == where
    cgroup.kill(9)
    cgroup.remove()
    assert not directories_named(direct.token)


def test_stats_have_the_figures_of_a_running_process(box):
    cgroup = box.resolve()
    box.fill(cgroup, resources={"memory": {"limit": 64 * MIB}, "pids": {"limit": 50}})
    stats = cgroup.stats()
    assert set(stats) == {"cpu", "cpuset", "memory", "pids", "blkio", "hugetlb"}
    assert stats["pids"] == {"current": 1, "limit": 50}
    assert stats["memory"]["usage"]["limit"] == 64 * MIB
    assert stats["memory"]["usage"]["usage"] > 0
    assert stats["cpu"]["usage"]["total"] > 0
    assert stats["cpuset"]["cpus"]


def test_kill_for_want_of_memory_is_noticed_and_counted(box):
    cgroup = box.resolve()
    limits = {"limit": 16 * MIB, **({"swap": 16 * MIB} if has_swap_limit() else {})}
    process = box.fill(
        cgroup,
        "echo here; read line; head -c 100m /dev/zero | tail",
        resources={"memory": limits},
    )
    assert cgroup.oom_count() == 0
    watch = cgroup.oom_watch()
    try:
        box.go(process)
        poll = select.poll()
        poll.register(watch, watch.poll_mask)
        found = 0
        while not found:
            assert poll.poll(20000), "no notice"
            found = watch.drain()
    finally:
        watch.close()
    # On v1 the notice comes before the kill, and the kill before it is counted.
    process.wait()
    if cgroup.exists():
        assert cgroup.oom_count() >= 1


def test_second_process_joins_the_first(box):
    cgroup = box.resolve()
    first = box.fill(cgroup)
    later = cgroups.from_record(cgroup.record())
    second = box.spawn("sleep 1000")
    later.attach(second.pid, init_pid=first.pid)
    assert later.pids() == sorted([first.pid, second.pid])


def test_second_process_goes_below_on_request(box):
    cgroup = box.resolve()
    first = box.fill(cgroup)
    for path in set(cgroup.paths().values()):
        os.mkdir(f"{path}/inner")
    if not UNIFIED and "cpuset" in cgroup.paths():
        for file in ("cpuset.cpus", "cpuset.mems"):
            with open(f"{cgroup.paths()['cpuset']}/inner/{file}", "w") as out:
                out.write("0")
    second = box.spawn("sleep 1000")
    cgroup.attach(second.pid, below={"": "inner"}, init_pid=first.pid)
    for path in set(cgroup.paths().values()):
        with open(f"{path}/inner/cgroup.procs") as file:
            assert file.read().split() == [str(second.pid)]


@pytest.mark.parametrize("path", ["../other", "a/../../b", "missing"])
def test_place_outside_the_container_is_refused(box, path):
    cgroup = box.resolve()
    first = box.fill(cgroup)
    second = box.spawn("sleep 1000")
    with pytest.raises(CgroupError):
        cgroup.attach(second.pid, below={"": path}, init_pid=first.pid)


@pytest.mark.skipif(not UNIFIED, reason="v2 only")
def test_second_process_goes_beside_the_init_when_the_top_may_hold_none(box):
    cgroup = box.resolve()
    first = box.fill(cgroup)
    top = cgroup.paths()[""]
    os.mkdir(f"{top}/init")
    for path, text in (
        (f"{top}/init/cgroup.procs", first.pid),
        (f"{top}/cgroup.subtree_control", "+pids"),
    ):
        with open(path, "w") as file:
            file.write(str(text))
    assert cgroup.directory_for_clone(first.pid) == f"{top}/init"
    second = box.spawn("sleep 1000")
    cgroup.attach(second.pid, init_pid=first.pid)
    with open(f"{top}/init/cgroup.procs") as file:
        assert str(second.pid) in file.read().split()


@pytest.mark.skipif(not UNIFIED, reason="v2 only")
def test_delegated_directory_has_the_files_a_user_needs(box):
    cgroup = box.resolve()
    box.fill(cgroup)
    cgroup.delegate(1000)
    top = cgroup.paths()[""]
    assert os.stat(top).st_uid == 1000
    for file in ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        assert os.stat(f"{top}/{file}").st_uid == 1000
    assert os.stat(f"{top}/memory.max").st_uid == 0


@pytest.mark.skipif(not UNIFIED, reason="v2 only")
def test_controller_that_a_busy_cgroup_keeps_is_explained(direct):
    outer = direct.resolve(f"/{direct.token}-top")
    process = direct.fill(outer)
    inner = direct.resolve()
    inner.create({"memory": {"limit": MIB}})
    with pytest.raises(CgroupError, match=f"memory controller.*has processes.*{process.pid}"):
        inner.apply({"memory": {"limit": MIB}})
    with open(f"{inner.paths()['']}/cgroup.type") as file:
        assert file.read() == "domain\n", "the cgroup above was made threaded"
    inner.remove()


@pytest.mark.skipif(UNIFIED, reason="v1 only")
def test_unified_properties_are_refused_on_v1(direct):
    cgroup = direct.resolve()
    cgroup.create({})
    with pytest.raises(CgroupError, match="cgroup v1"):
        cgroup.apply({"unified": {"memory.high": "100"}})


def systemctl(*arguments):
    return subprocess.run(
        ["systemctl", *arguments], capture_output=True, text=True, check=False
    ).stdout.strip()


def test_scope_has_the_limits_as_properties(scope):
    scope.fill(
        scope.resolve(),
        resources={"memory": {"limit": 64 * MIB}, "pids": {"limit": 50}, "cpu": {"quota": 50000}},
    )
    shown = systemctl(
        "show",
        f"{scope.token}-c.scope",
        "-p",
        "MemoryMax,MemoryLimit,TasksMax,Delegate,ActiveState,Slice",
    )
    assert set(shown.splitlines()) >= {
        f"{'MemoryMax' if UNIFIED else 'MemoryLimit'}={64 * MIB}",
        "TasksMax=50",
        "Delegate=yes",
        "ActiveState=active",
        "Slice=system.slice",
    }


def test_limits_survive_a_reload_of_systemd(scope):
    cgroup = scope.resolve()
    scope.fill(cgroup, resources={"memory": {"limit": 64 * MIB}, "devices": DENY})
    cgroup.apply({"memory": {"limit": 32 * MIB}, "pids": {"limit": 20}})
    systemctl("daemon-reload")
    assert content(cgroup, "memory", "memory.limit_in_bytes", "memory.max") == str(32 * MIB)
    assert content(cgroup, "pids", "pids.max", "pids.max") == "20"


def test_scope_is_gone_after_remove(scope):
    cgroup = scope.resolve()
    process = scope.fill(cgroup)
    later = cgroups.from_record(cgroup.record())
    later.kill(9)
    process.wait()
    later.remove()
    assert systemctl("show", f"{scope.token}-c.scope", "-p", "LoadState") == "LoadState=not-found"


def test_scope_name_can_be_used_again(scope):
    for _ in range(3):
        cgroup = scope.resolve()
        process = scope.fill(cgroup)
        cgroup.kill(9)
        process.wait()
        cgroup.remove()


def test_unknown_slice_characters_are_refused(scope):
    with pytest.raises(CgroupError, match="slice"):
        scope.resolve("nonsense:a:b")
