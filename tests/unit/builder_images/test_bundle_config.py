"""config.json of an image: image-spec's conversion.md, and Docker's defaults for the rest."""

from __future__ import annotations

import pytest

import specs
from builder.errors import ImageFormatError
from builder.images.accounts import Account
from builder.images.bundle_config import (
    BundleError,
    Choices,
    annotations_of,
    bundle_config,
    volumes_of,
)

ROOT = Account(0, 0, (), "/root")


def image(**config):
    top = config.pop("top", {})
    return {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"], **config}, **top}


def process(document, account=ROOT, **choices):
    return bundle_config(document, account, [], Choices(**choices))["process"]


def test_entrypoint_and_then_cmd_are_the_arguments() -> None:
    assert process(image(Entrypoint=["/e", "x"], Cmd=["y"]))["args"] == ["/e", "x", "y"]
    assert process(image(Entrypoint=None, Cmd=["y"]))["args"] == ["y"]


def test_given_arguments_replace_cmd_and_not_the_entrypoint() -> None:
    assert process(image(Entrypoint=["/e"], Cmd=["y"]), args=("a", "b"))["args"] == ["/e", "a", "b"]


def test_image_without_a_program_is_refused_with_a_hint() -> None:
    with pytest.raises(BundleError, match="names no program") as caught:
        process(image(Cmd=None))
    assert caught.value.hint == "give a command after the bundle"


def test_environment_is_kept_and_completed() -> None:
    env = process(image(Env=["A=1", "PATH=/x", "B="]))["env"]
    assert env == ["A=1", "PATH=/x", "B=", "HOME=/root"]
    assert process(image())["env"][0].startswith("PATH=/usr/local/sbin:")


def test_home_of_the_image_s_environment_stays() -> None:
    assert process(image(Env=["HOME=/h"]))["env"].count("HOME=/h") == 1
    assert "HOME=/root" not in process(image(Env=["HOME=/h"]))["env"]


def test_terminal_has_a_term_variable() -> None:
    found = process(image(), terminal=True)
    assert found["terminal"] is True
    assert "TERM=xterm" in found["env"]
    assert "TERM=xterm" not in process(image())["env"]


def test_working_directory_is_the_root_where_there_is_none() -> None:
    assert process(image())["cwd"] == "/"
    assert process(image(WorkingDir="/w"))["cwd"] == "/w"


def test_primary_group_is_among_the_supplementary_ones() -> None:
    # CVE-2022-2989: dropping it must not be a way around a permission of that group.
    user = process(image(), Account(5, 6, (7, 8)))["user"]
    assert user == {"uid": 5, "gid": 6, "additionalGids": [6, 7, 8]}


def test_only_root_starts_with_capabilities() -> None:
    assert "CAP_CHOWN" in process(image())["capabilities"]["effective"]
    found = process(image(), Account(5, 6))["capabilities"]
    assert found["effective"] == found["permitted"] == []
    assert "CAP_SYS_ADMIN" not in found["bounding"]


def test_annotations_are_those_of_the_conversion() -> None:
    document = image(
        StopSignal="SIGINT",
        ExposedPorts={"80/tcp": {}, "53/udp": {}},
        Labels={"a": "b"},
        top={
            "author": "me",
            "created": "2026-01-01T00:00:00Z",
            "variant": "v8",
            "os.version": "1",
            "os.features": ["x", "y"],
        },
    )
    prefix = "org.opencontainers.image."
    assert annotations_of(document) == {
        "a": "b",
        f"{prefix}architecture": "amd64",
        f"{prefix}author": "me",
        f"{prefix}created": "2026-01-01T00:00:00Z",
        f"{prefix}exposedPorts": "53/udp,80/tcp",
        f"{prefix}os": "linux",
        f"{prefix}os.features": "x,y",
        f"{prefix}os.version": "1",
        f"{prefix}stopSignal": "SIGINT",
        f"{prefix}variant": "v8",
    }


def test_labels_win_over_derived_annotations() -> None:
    name = "org.opencontainers.image.os"
    assert annotations_of(image(Labels={name: "mine"}))[name] == "mine"


def test_label_with_an_empty_name_is_no_annotation() -> None:
    assert "" not in annotations_of(image(Labels={"": "x"}))


def test_volumes_are_cleaned_sorted_and_unique() -> None:
    paths = {"/b/": {}, "/a//c": {}, "/a": {}, "/b": {}, "/a/./c": {}}
    assert volumes_of(image(Volumes=paths)) == ["/a", "/a/c", "/b"]


@pytest.mark.parametrize("path", ["/", "", "/../x", "a/../../b", "/a\0b"])
def test_volume_that_cannot_be_one_is_refused(path) -> None:
    with pytest.raises(ImageFormatError, match="volume"):
        volumes_of(image(Volumes={path: {}}))


def test_volumes_are_bind_mounts_of_the_bundle_after_all_others() -> None:
    document = bundle_config(image(), ROOT, [("/data", "volumes/0")], Choices())
    last = document["mounts"][-1]
    assert (last["destination"], last["source"]) == ("/data", "volumes/0")
    assert "rbind" in last["options"]


def test_default_bundle_has_its_own_network() -> None:
    kinds = {n["type"] for n in bundle_config(image(), ROOT, [])["linux"]["namespaces"]}
    assert kinds == {"pid", "network", "ipc", "uts", "mount", "cgroup"}


def test_host_network_means_no_network_namespace() -> None:
    document = bundle_config(image(), ROOT, [], Choices(host_network=True))
    assert {"type": "network"} not in document["linux"]["namespaces"]


def test_rootless_bundle_maps_the_user_and_asks_for_no_privilege() -> None:
    document = bundle_config(image(), Account(0, 0, (5,)), [], Choices(rootless=(1000, 1001)))
    linux = document["linux"]
    assert linux["uidMappings"] == [{"containerID": 0, "hostID": 1000, "size": 1}]
    assert linux["gidMappings"] == [{"containerID": 0, "hostID": 1001, "size": 1}]
    assert {"type": "user"} in linux["namespaces"]
    assert "resources" not in linux
    assert "additionalGids" not in document["process"]["user"]
    pts = next(m for m in document["mounts"] if m["destination"] == "/dev/pts")
    assert "gid=5" not in pts["options"]


def test_image_s_user_is_the_caller_in_a_rootless_bundle() -> None:
    found = process(image(), Account(1000, 1000, (), "/home/app"), rootless=(5, 5))
    assert found["user"] == {"uid": 0, "gid": 0}
    assert found["capabilities"]["effective"] == []
    assert "HOME=/home/app" in found["env"]


@pytest.mark.parametrize(
    "config",
    [
        {"Cmd": "sh"},
        {"Cmd": [1]},
        {"Entrypoint": {}},
        {"Env": ["novalue"]},
        {"Env": [None]},
        {"Env": ["A=\0"]},
        {"WorkingDir": 5},
        {"WorkingDir": "/a\0"},
        {"Labels": []},
        {"Labels": {"a": 1}},
        {"ExposedPorts": [80]},
        {"StopSignal": 15},
        {"Cmd": ["a\0b"]},
    ],
)
def test_config_of_the_wrong_type_is_refused(config) -> None:
    with pytest.raises(ImageFormatError):
        bundle_config(image(**config), ROOT, [])


@pytest.mark.parametrize("value", ["x", [], 5])
def test_config_that_is_no_object_is_refused(value) -> None:
    with pytest.raises(ImageFormatError):
        bundle_config({"config": value}, ROOT, [], Choices(args=("x",)))


@pytest.mark.parametrize("choices", [Choices(), Choices(rootless=(1, 1)), Choices(terminal=True)])
def test_bundle_fits_the_schema_of_the_runtime_specification(choices) -> None:
    document = bundle_config(image(Labels={"a": "b"}), ROOT, [("/data", "volumes/0")], choices)
    assert specs.faults("runtime/config", document) == []
