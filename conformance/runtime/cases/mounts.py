"""config.md "Mounts": order, bind mounts, and each option by what the kernel then says."""

# ruff: noqa: D103  (the name of a case is what it claims)

from __future__ import annotations

import os

from conformance.judge import Judge
from conformance.runtime.driver import RuntimeFailedError, Trial
from conformance.runtime.suite import CASES

_SEEN = {
    "ro": ("ro", True),
    "rw": ("rw", True),
    "nosuid": ("nosuid", True),
    "suid": ("nosuid", False),
    "nodev": ("nodev", True),
    "dev": ("nodev", False),
    "noexec": ("noexec", True),
    "exec": ("noexec", False),
    "noatime": ("noatime", True),
    "atime": ("noatime", False),
    "nodiratime": ("nodiratime", True),
    "diratime": ("nodiratime", False),
    "relatime": ("relatime", True),
    "strictatime": ("relatime", False),
    "nosymfollow": ("nosymfollow", True),
}
"""For each option the flag of mountinfo that shows it, and whether it is then there."""

_TAKEN = ("async", "defaults", "loud", "norelatime", "nostrictatime", "silent")
"""Options that are no flag of the mount: what can be seen is that they are taken."""

_PROPAGATION = {
    "shared": "shared:",
    "slave": "",
    "private": "",
    "unbindable": "unbindable",
    "rshared": "shared:",
    "rslave": "",
    "rprivate": "",
    "runbindable": "unbindable",
}
_ALL = (*_SEEN, *_TAKEN, *_PROPAGATION, "bind", "rbind")


def _mountinfo(trial: Trial, options: list[str], kind: str = "tmpfs") -> tuple[str, str] | None:
    """Flags and optional fields of a mount with these options; None when there is no mount."""
    config = trial.config()
    source = "out" if kind == "none" else "tmpfs"
    config["mounts"].append(
        {"destination": "/mnt", "type": kind, "source": source, "options": options}
    )
    for line in trial.lines("grep ' /mnt ' /proc/self/mountinfo", config):
        fields = line.split()
        return fields[5], " ".join(fields[6 : fields.index("-")])
    return None


@CASES.about(*(f"mount-option-{name}" for name in (*_SEEN, *_TAKEN)))
def options_have_their_effect(judge: Judge, trial: Trial) -> None:
    for name in (*_SEEN, *_TAKEN):
        requirement = f"mount-option-{name}"
        flag, present = _SEEN.get(name, ("", True))
        # Its opposite first where there is one, so that the option has something to undo.
        given = [flag, name] if flag and not present else [name]
        try:
            found = _mountinfo(trial, given)
        except RuntimeFailedError as error:
            judge.check(requirement, False, str(error))
            continue
        if found is None:
            judge.check(requirement, False, "there is no mount")
            continue
        holds = not flag or (flag in found[0].split(",")) is present
        judge.check(requirement, holds, f"with {given} the flags are {found[0]}")


@CASES.about(*(f"mount-option-{name}" for name in _PROPAGATION))
def propagation_options_have_their_effect(judge: Judge, trial: Trial) -> None:
    for name, wanted in _PROPAGATION.items():
        try:
            found = _mountinfo(trial, ["bind" if name[0] != "r" else "rbind", name], "none")
        except RuntimeFailedError as error:
            judge.check(f"mount-option-{name}", False, str(error))
            continue
        fields = found[1] if found else "no mount at all"
        holds = fields.startswith(wanted) if wanted else "shared:" not in fields
        judge.check(f"mount-option-{name}", holds, f"the mount's propagation is {fields!r}")


@CASES.about(
    "mount-option-bind", "mount-option-rbind", "mount-source-relative", "mount-bind-any-type"
)
def bind_mounts_show_their_source(judge: Judge, trial: Trial) -> None:
    for option in ("bind", "rbind"):
        for kind in ("none", "tmpfs"):
            config = trial.config("cat /mnt/marker")
            mount = {"destination": "/mnt", "type": kind, "source": "out", "options": [option]}
            config["mounts"].append(mount)
            container = trial.container(trial.bundle(config))
            with open(f"{container.bundle}/out/marker", "w") as file:
                file.write("seen\n")
            container.create()
            container.start()
            text = container.output()
            requirement = f"mount-option-{option}" if kind == "none" else "mount-bind-any-type"
            judge.equal(requirement, text, "seen\n", "what the source's file holds")
            if kind == "none":
                judge.equal("mount-source-relative", text, "seen\n", "what ./out holds")


@CASES.about("mounts-order", "mount-destination")
def mounts_are_made_in_order(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    for destination, size in (("/mnt", "64k"), ("/mnt/inner", "128k"), ("/mnt/inner", "256k")):
        config["mounts"].append(
            {
                "destination": destination,
                "type": "tmpfs",
                "source": "tmpfs",
                "options": [f"size={size}"],
            }
        )
    lines = trial.lines("grep ' /mnt' /proc/self/mountinfo", config)
    found = [(line.split()[4], line.rpartition("size=")[2].split(",")[0]) for line in lines]
    wanted = [("/mnt", "64k"), ("/mnt/inner", "128k"), ("/mnt/inner", "256k")]
    judge.equal("mounts-order", found, wanted, "the order of mounts")
    judge.equal(
        "mount-destination", {place for place, _ in found}, {"/mnt", "/mnt/inner"}, "places"
    )


@CASES.about("mount-option-data", "mount-type")
def unknown_options_go_to_the_file_system(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    options = ["mode=0710", "nr_inodes=77"]
    config["mounts"].append(
        {"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": options}
    )
    (line,) = trial.lines("grep ' /mnt ' /proc/self/mountinfo", config) or [""]
    judge.check("mount-type", " - tmpfs " in line, f"the mount is {line!r}")
    super_options = line.rpartition(" ")[2].split(",")
    holds = {"mode=710", "nr_inodes=77"} <= set(super_options)
    judge.check("mount-option-data", holds, f"the options are {super_options}")


@CASES.about("mount-default-filesystems")
def the_usual_file_systems_can_be_mounted(judge: Judge, trial: Trial) -> None:
    wanted = {"/proc": "proc", "/sys": "sysfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs"}
    lines = trial.lines("cat /proc/self/mountinfo")
    found = {line.split()[4]: line.partition(" - ")[2].split()[0] for line in lines}
    found = {place: kind for place, kind in found.items() if place in wanted}
    judge.equal("mount-default-filesystems", found, wanted, "what is mounted")


@CASES.about("mount-destination-relative")
def a_relative_destination_is_below_the_root(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["mounts"].append({"destination": "mnt", "type": "tmpfs", "source": "tmpfs"})
    lines = trial.lines("grep -c ' /mnt ' /proc/self/mountinfo", config)
    judge.equal("mount-destination-relative", lines, ["1"], "mounts at /mnt")


@CASES.about("mount-destination")
def a_link_of_the_image_does_not_lead_a_mount_out(judge: Judge, trial: Trial) -> None:
    config = trial.config("echo x > /link/file")
    config["mounts"].append({"destination": "/link", "type": "tmpfs", "source": "tmpfs"})
    container = trial.container(trial.bundle(config))
    os.mkdir(f"{trial.directory}/outside")
    os.symlink(f"{trial.directory}/outside", f"{container.bundle}/rootfs/link")
    try:
        container.create()
        container.start()
        container.output()
    except RuntimeFailedError:
        pass  # to refuse it is as good
    leaked = os.listdir(f"{trial.directory}/outside")
    judge.check("mount-destination", not leaked, "a mount appeared outside of the root")
