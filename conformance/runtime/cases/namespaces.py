"""config-linux.md "Namespaces": new, joined, inherited."""

# ruff: noqa: D103  (the name of a case is what it claims)

from __future__ import annotations

import os
import subprocess

from conformance.judge import CannotTellError, Judge
from conformance.runtime.bundles import write_config
from conformance.runtime.driver import Trial
from conformance.runtime.suite import CASES

_FILES = {
    "pid": "pid",
    "network": "net",
    "ipc": "ipc",
    "uts": "uts",
    "mount": "mnt",
    "cgroup": "cgroup",
}


def _links(trial: Trial, kinds: list[dict[str, str]]) -> dict[str, str]:
    """The namespaces that a container with these sees itself in."""
    config = trial.config()
    config["linux"]["namespaces"] = kinds
    names = " ".join(_FILES.values())
    script = f"for n in {names}; do readlink /proc/self/ns/$n; done"
    if all(entry["type"] != "network" for entry in kinds):
        # sysfs belongs to a network namespace and may not be mounted in another.
        config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/sys"]
    return dict(zip(_FILES, trial.lines(script, config)))


def _ours() -> dict[str, str]:
    return {kind: os.readlink(f"/proc/self/ns/{name}") for kind, name in _FILES.items()}


@CASES.about("namespace-new", "namespace-inherited", "namespace-types")
def namespaces_are_new_or_inherited(judge: Judge, trial: Trial) -> None:
    ours = _ours()
    found = _links(trial, [{"type": kind} for kind in _FILES])
    judge.equal("namespace-types", sorted(found), sorted(_FILES), "the namespaces seen")
    for kind, link in found.items():
        judge.check("namespace-new", link != ours[kind], f"{kind} is the runtime's own")
    found = _links(trial, [{"type": "mount"}, {"type": "pid"}])
    for kind in ("network", "ipc", "uts", "cgroup"):
        judge.equal("namespace-inherited", found.get(kind), ours[kind], f"{kind}, not listed,")


@CASES.about("namespace-path", "namespace-wrong-type", "namespace-path-absolute")
def namespaces_are_joined_by_path(judge: Judge, trial: Trial) -> None:
    argv = ["unshare", "--uts", "--ipc", "--net", "sh", "-c", "echo ready; exec sleep 60"]
    try:
        other = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise CannotTellError("unshare(1) is missing") from None
    try:
        assert other.stdout is not None
        if other.stdout.readline() != "ready\n":
            raise CannotTellError("new namespaces cannot be made here")
        base = f"/proc/{other.pid}/ns"
        kinds = {"uts": f"{base}/uts", "ipc": f"{base}/ipc", "network": f"{base}/net"}
        wanted = {kind: os.readlink(path) for kind, path in kinds.items()}
        listed = [{"type": kind, "path": path} for kind, path in kinds.items()]
        found = _links(trial, [*listed, {"type": "mount"}, {"type": "pid"}])
        for kind, link in wanted.items():
            judge.equal("namespace-path", found.get(kind), link, kind)
        config = trial.config()
        config["linux"]["namespaces"] = [{"type": "mount"}, {"type": "uts", "path": f"{base}/ipc"}]
        judge.check("namespace-wrong-type", trial.refusal(config), "an ipc path was taken as uts")
        relative = {"type": "uts", "path": "proc/1/ns/uts"}
        config["linux"]["namespaces"] = [{"type": "mount"}, relative]
        judge.check("namespace-path-absolute", trial.refusal(config), "a relative path was taken")
    finally:
        other.kill()
        other.wait()
        if other.stdout is not None:
            other.stdout.close()


@CASES.about("namespace-duplicate")
def a_type_listed_twice_is_refused(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["linux"]["namespaces"].append({"type": "pid"})
    judge.check("namespace-duplicate", trial.refusal(config), "pid was taken twice")


@CASES.about("id-mappings", "id-mappings-no-chown")
def ids_are_mapped_as_configured(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["linux"]["namespaces"].append({"type": "user"})
    uids = [
        {"containerID": 0, "hostID": 100000, "size": 1000},
        {"containerID": 1000, "hostID": 200000, "size": 10},
    ]
    gids = [{"containerID": 0, "hostID": 300000, "size": 1000}]
    config["linux"]["uidMappings"], config["linux"]["gidMappings"] = uids, gids
    container = trial.container(trial.bundle(config))
    # The mapped root must reach its root file system.
    for path in (trial.directory, container.bundle):
        os.chmod(path, 0o755)
    owner = os.stat(f"{container.bundle}/rootfs/etc").st_uid
    config["process"]["args"] = ["/bin/sh", "-c", "cat /proc/self/uid_map /proc/self/gid_map"]
    write_config(container.bundle, config)
    container.create()
    container.start()
    found = [[int(word) for word in line.split()] for line in container.output().splitlines()]
    wanted = [[m["containerID"], m["hostID"], m["size"]] for m in (*uids, *gids)]
    judge.equal("id-mappings", found, wanted, "the mappings")
    now = os.stat(f"{container.bundle}/rootfs/etc").st_uid
    judge.equal("id-mappings-no-chown", now, owner, "the owner of /etc")
