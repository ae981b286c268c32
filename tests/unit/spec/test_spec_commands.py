"""``pyoci spec`` and ``pyoci features``."""

from __future__ import annotations

import json
import os

import pytest

import specs
from pyoci.commands import features, spec
from pyoci.errors import PyociError
from pyoci.invocation import Invocation, Settings
from pyoci.spec.bundle import load_bundle
from pyoci.spec.check import check_config
from pyoci.spec.default import default_config
from pyoci.spec.json_text import decode


@pytest.fixture
def run(tmp_path):
    """run(command, **options) gives the exit status and what was written."""

    def call(command, **options):
        read, write = os.pipe()
        try:
            invocation = Invocation([], {}, cwd=str(tmp_path), stdout=write)
            status = command.run(invocation, Settings(), options, [])
        finally:
            os.close(write)
        with os.fdopen(read, "rb") as stream:
            return status, stream.read()

    return call


@pytest.mark.parametrize("rootless", [False, True])
def test_spec_writes_a_bundle_that_can_be_loaded(run, tmp_path, rootless):
    (tmp_path / "rootfs").mkdir()
    assert run(spec, rootless=rootless) == (0, b"")
    bundle = load_bundle(str(tmp_path))
    assert check_config(bundle.config) == []
    assert specs.faults("runtime/config", json.loads(bundle.config_bytes)) == []
    types = {namespace["type"] for namespace in bundle.config["linux"]["namespaces"]}
    assert ("user" in types) is rootless
    assert ("network" in types) is not rootless


def test_spec_does_not_overwrite(run, tmp_path):
    (tmp_path / "config.json").write_text("mine")
    with pytest.raises(PyociError) as caught:
        run(spec)
    assert caught.value.message == "File config.json exists. Remove it first"
    assert (tmp_path / "config.json").read_text() == "mine"


def test_spec_does_not_follow_a_dangling_symlink(run, tmp_path):
    (tmp_path / "config.json").symlink_to("elsewhere")
    with pytest.raises(PyociError):
        run(spec)
    assert not (tmp_path / "elsewhere").exists()


def test_spec_writes_to_the_bundle_it_is_given(run, tmp_path):
    (tmp_path / "b").mkdir()
    run(spec, bundle="b")
    assert (tmp_path / "b/config.json").exists()


def test_spec_for_a_bundle_that_does_not_exist(run):
    with pytest.raises(PyociError, match="cannot write"):
        run(spec, bundle="/nonexistent")


@pytest.mark.parametrize("unified", [False, True])
@pytest.mark.parametrize("ids", [None, (1000, 1000)])
def test_every_default_is_what_the_schema_and_the_checker_accept(unified, ids):
    config = default_config(unified=unified, ids=ids)
    assert specs.faults("runtime/config", config) == []
    assert check_config(config) == []


def test_features_is_what_the_schema_accepts(run):
    status, output = run(features)
    assert status == 0
    assert output.endswith(b"}\n")
    assert specs.faults("runtime/features", decode(output)) == []


def test_features_lists_exactly_the_mount_options_that_are_acted_on(run):
    found = decode(run(features)[1])
    assert {"ro", "rro", "rbind", "idmap", "tmpcopyup"} <= set(found["mountOptions"])
    assert "size" not in found["mountOptions"]
    assert found["mountOptions"] == sorted(found["mountOptions"])


def accepted(**linux) -> bool:
    config = default_config(unified=True)
    config["linux"].update(linux)
    try:
        check_config(config)
    except PyociError:
        return False
    return True


def test_features_says_of_itself_what_config_json_is_met_with(run):
    linux = decode(run(features)[1])["linux"]
    assert linux["netDevices"]["enabled"] is accepted(netDevices={"eth0": {}})
    assert linux["intelRdt"]["enabled"] is accepted(intelRdt={"closID": "x"})
    assert all(accepted(namespaces=[{"type": name}]) for name in linux["namespaces"])


def test_both_announced_versions_are_accepted(run):
    found = decode(run(features)[1])
    for name in ("ociVersionMin", "ociVersionMax"):
        config = {**default_config(unified=True), "ociVersion": found[name]}
        assert check_config(config) == []
