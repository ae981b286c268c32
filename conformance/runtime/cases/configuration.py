"""config.md and bundle.md: the file as a whole, root, hostname, annotations."""

# ruff: noqa: D103  (the name of a case is what it claims)

from __future__ import annotations

import json
import os

from conformance.judge import FaultError, Judge
from conformance.runtime.driver import RuntimeFailedError, Trial
from conformance.runtime.suite import CASES


@CASES.about("bundle-config-json")
def a_bundle_without_config_json_is_refused(judge: Judge, trial: Trial) -> None:
    bundle = trial.bundle(trial.config())
    os.rename(f"{bundle}/config.json", f"{bundle}/Config.json")
    try:
        trial.container(bundle).create()
        judge.check("bundle-config-json", False, "another file was taken for config.json")
    except RuntimeFailedError:
        judge.check("bundle-config-json", True, "")


@CASES.about("json-order-meaningless")
def the_order_of_members_means_nothing(judge: Judge, trial: Trial) -> None:
    config = trial.config("echo hello")
    backwards = dict(reversed(config.items()))
    backwards["process"] = dict(reversed(config["process"].items()))
    judge.equal("json-order-meaningless", trial.run(backwards), "hello\n", "the output")


@CASES.about("unknown-members-ignored", "annotations-unknown", "annotations-values-empty")
def unknown_members_are_ignored(judge: Judge, trial: Trial) -> None:
    config = trial.config("echo hello")
    config["org.example.unknown"] = {"a": [1, None]}
    config["process"]["unknownMember"] = True
    config["linux"]["unknownMember"] = "x"
    config["root"]["unknownMember"] = 1
    judge.equal("unknown-members-ignored", trial.run(config), "hello\n", "the output")
    config = trial.config("echo hello")
    config["annotations"] = {"org.example.nobody.knows": "x", "org.example.empty": ""}
    text = trial.run(config)
    judge.equal("annotations-unknown", text, "hello\n", "the output")
    judge.equal("annotations-values-empty", text, "hello\n", "the output")


@CASES.about("invalid-value-error", "json-utf8", "root", "annotations-strings")
def what_is_not_valid_is_refused(judge: Judge, trial: Trial) -> None:
    def refused(requirement: str, config: object, what: str) -> None:
        text = config if isinstance(config, (str, bytes)) else json.dumps(config)
        found = trial.refusal(text)
        judge.check(requirement, found is not None, f"{what} was taken")

    refused("json-utf8", "{", "text that is not JSON")
    refused("invalid-value-error", "[]", "a configuration that is no object")
    for change, what in (
        (("process", "args", "not a list"), "args as a string"),
        (("process", "env", {"A": "b"}), "env as an object"),
        (("linux", "namespaces", "pid"), "namespaces as a string"),
    ):
        config = trial.config()
        config[change[0]][change[1]] = change[2]
        refused("invalid-value-error", config, what)
    config = trial.config()
    del config["root"]
    refused("root", config, "a configuration without root")
    config = trial.config()
    config["annotations"] = {"org.example": 1}
    refused("annotations-strings", config, "a number as an annotation")


@CASES.about("oci-version", "oci-version-same-major")
def versions_with_the_same_major_number_are_taken(judge: Judge, trial: Trial) -> None:
    for version in ("1.0.0", "1.0.1", "1.0.2", "1.0.2-dev"):
        config = trial.config("echo hello")
        config["ociVersion"] = version
        try:
            judge.equal("oci-version-same-major", trial.run(config), "hello\n", version)
        except FaultError as error:
            judge.check("oci-version-same-major", False, f"{version}: {error}")
    config = trial.config()
    config["ociVersion"] = "not a version"
    refused = trial.refusal(config) is not None
    judge.check("oci-version", refused, "an ociVersion that is no version was taken")


@CASES.about("root-path")
def the_root_is_found_by_relative_and_absolute_paths(judge: Judge, trial: Trial) -> None:
    bundle = trial.bundle(trial.config())
    for path in ("rootfs", f"{bundle}/rootfs"):
        config = trial.config("cat /etc/marker")
        config["root"]["path"] = path
        with open(f"{bundle}/rootfs/etc/marker", "w") as file:
            file.write("here\n")
        with open(f"{bundle}/config.json", "w") as file:
            json.dump(config, file)
        container = trial.container(bundle)
        container.create()
        container.start()
        judge.equal("root-path", container.output(), "here\n", f"the file below root {path}")
    config = trial.config()
    config["root"]["path"] = "nowhere"
    judge.check("root-path", trial.refusal(config), "a root that does not exist was taken")


@CASES.about("root-readonly")
def a_read_only_root_cannot_be_written(judge: Judge, trial: Trial) -> None:
    script = "if touch /etc/x 2> /dev/null; then echo written; else echo refused; fi"
    for readonly, wanted in ((True, ["refused"]), (False, ["written"])):
        config = trial.config()
        config["root"]["readonly"] = readonly
        judge.equal("root-readonly", trial.lines(script, config), wanted, f"readonly {readonly}")


@CASES.about("hostname", "domainname")
def host_and_domain_names_are_the_configured_ones(judge: Judge, trial: Trial) -> None:
    config = trial.config()
    config["hostname"] = "conformance-host"
    found = trial.lines("hostname", config)
    judge.equal("hostname", found, ["conformance-host"], "the host name inside")
    config["domainname"] = "conformance.example"
    found = trial.lines("cat /proc/sys/kernel/domainname", config)
    judge.equal("domainname", found, ["conformance.example"], "the domain name inside")


@CASES.about("platform-objects-ignored")
def objects_for_other_platforms_are_ignored(judge: Judge, trial: Trial) -> None:
    config = trial.config("echo hello")
    config["vm"] = {"kernel": {"path": "/vmlinuz"}}
    config["solaris"] = {"milestone": "x"}
    judge.equal("platform-objects-ignored", trial.run(config), "hello\n", "the output")
