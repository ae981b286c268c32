"""config-linux.md: sysctl, masked and read-only paths, propagation, personality, cgroups."""

# ruff: noqa: D103  (the name of a case is what it claims)

from __future__ import annotations

import os

from conformance.judge import CannotTellError, Judge
from conformance.runtime.driver import Trial
from conformance.runtime.suite import CASES


@CASES.about("sysctl")
def kernel_settings_hold_inside(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "12345"}
    script = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax"
    judge.equal("sysctl", trial.lines(script, config), ["1", "12345"], "the settings inside")


@CASES.about("masked-paths")
def masked_paths_cannot_be_read(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["linux"]["maskedPaths"] = ["/etc/secret", "/tmp", "/no/such/path"]
    config["process"]["args"] = ["/bin/sh", "-c", "cat /etc/secret; ls /tmp"]
    container = trial.container(trial.bundle(config))
    for name in ("etc/secret", "tmp/hidden"):
        with open(f"{container.bundle}/rootfs/{name}", "w") as file:
            file.write("secret\n")
    container.create()
    container.start()
    judge.equal("masked-paths", container.output(), "", "what can be read")


@CASES.about("readonly-paths")
def read_only_paths_cannot_be_written(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["linux"]["readonlyPaths"] = ["/etc", "/proc/sys", "/no/such/path"]
    script = (
        "touch /etc/x 2> /dev/null && echo /etc;"
        " echo x 2> /dev/null > /proc/sys/kernel/hostname && echo /proc/sys;"
        " touch /tmp/x && echo /tmp"
    )
    judge.equal("readonly-paths", trial.lines(script, config), ["/tmp"], "what can be written")


@CASES.about("masked-paths-absolute", "readonly-paths-absolute")
def relative_paths_are_refused(judge: Judge, trial: Trial) -> None:
    for member, name in (("maskedPaths", "masked-paths"), ("readonlyPaths", "readonly-paths")):
        config = trial.config()
        config["linux"][member] = ["etc"]
        judge.check(f"{name}-absolute", trial.refusal(config), f"{member} with 'etc' was taken")


@CASES.about("rootfs-propagation")
def the_root_s_propagation_is_the_configured_one(judge: Judge, trial: Trial) -> None:
    for value, wanted in (("private", ""), ("slave", ""), ("shared", "shared:")):
        config = trial.config()
        config["linux"]["rootfsPropagation"] = value
        for line in trial.lines("grep ' / / \\| / ' /proc/self/mountinfo", config):
            fields = line.split()
            if fields[4] != "/":
                continue
            optional = " ".join(fields[6 : fields.index("-")])
            holds = optional.startswith(wanted) if wanted else "shared:" not in optional
            judge.check("rootfs-propagation", holds, f"with {value} it is {optional!r}")


@CASES.about("cgroups-path-absolute", "resources-pids", "cgroups-path-created")
def the_pids_limit_holds_in_the_named_cgroup(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    path = f"/conformance-{os.getpid()}"
    config["linux"]["cgroupsPath"] = path
    config["linux"]["resources"] = {"pids": {"limit": 23}}
    container = trial.create(config)
    with open(f"/proc/{container.state()['pid']}/cgroup") as file:
        memberships = [line.strip().split(":", 2) for line in file]
    places = [
        f"/sys/fs/cgroup/{controllers}{place}" if controllers else f"/sys/fs/cgroup{place}"
        for _, controllers, place in memberships
        if controllers in ("pids", "")
    ]
    limits = {}
    for place in places:
        try:
            with open(f"{place}/pids.max") as file:
                limits[place] = file.read().strip()
        except FileNotFoundError:
            continue
    if not limits:
        raise CannotTellError("no pids controller is mounted at /sys/fs/cgroup")
    inside = [place for place in limits if place.endswith(path)]
    judge.check("cgroups-path-absolute", inside, f"the container is in {', '.join(limits)}")
    judge.check("cgroups-path-created", inside, f"there is no cgroup {path}")
    judge.check("resources-pids", "23" in limits.values(), f"pids.max: {limits}")
