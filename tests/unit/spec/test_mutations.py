"""What passes `check_config` can be compiled, and what does not is refused with a SpecError.

Every value of a configuration that uses everything is replaced, one at a time, by values of every
kind; then several at once. Nothing but PyociErrors may come out of what reads the configuration.
"""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import specs
from pyoci.cgroup.devices import DeviceList, effective_device_rules
from pyoci.cgroup.legacy_settings import legacy_settings
from pyoci.cgroup.limits import wanted_limits
from pyoci.cgroup.unified_settings import unified_settings
from pyoci.errors import PyociError, SpecError
from pyoci.plan.create import CreateRequest, compile_create
from pyoci.plan.encode import encode
from pyoci.plan.exec import ExecRequest, compile_exec
from pyoci.plan.host import Host
from pyoci.plan.namespaces import map_text
from pyoci.spec.check import check_config
from pyoci.spec.json_text import decode

DATA = Path(__file__).parents[2] / "data/runtime-spec/config/good"
EVERYTHING: dict[str, Any] = json.loads((DATA / "pyoci-everything.json").read_text())
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    1.5,
    1e300,
    1 << 31,
    1 << 32,
    1 << 64,
    -(1 << 63) - 1,
    10**100,
    "",
    "x",
    "/",
    "..",
    "/../..",
    "\0",
    "/a\0b",
    "a\nb",
    "bind",
    "１",
    "x" * 5000,
    [],
    {},
    [None],
    [""],
    [{}],
    [[]],
    [1],
    ["\0"],
    {"": ""},
    {"a/b~": None},
    {"x": {}},
    {"type": None},
    {"path": "/x"},
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value, as the steps that lead there."""
    found = [path]
    if isinstance(value, dict):
        for name, member in value.items():
            found += places(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += places(item, (*path, index))
    return found


PLACES = places(EVERYTHING)


def replaced(config: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return copy.deepcopy(value)
    at = config
    try:
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = copy.deepcopy(value)
    except (TypeError, KeyError, IndexError):
        pass  # an earlier replacement removed the place
    return config


def use(config: Any) -> None:
    """Do with a configuration what create and exec do with it, as far as it needs no system."""
    warnings = check_config(config)
    linux = config.get("linux") or {}
    resources = linux.get("resources") or {}
    request = CreateRequest(
        id="c",
        bundle="/bundle",
        rootfs="/bundle/rootfs",
        fifo="/fifo",
        report="/report",
        console_socket="/console",
        cgroup_directory="/sys/fs/cgroup/c",
        cgroup_mounts=[("memory", "/sys/fs/cgroup/memory/c", "memory")],
    )
    steps = (
        lambda: encode(compile_create(config, request, Host(unified=False), warnings)),
        lambda: encode(compile_create(config, request, Host(unified=True, effective=0), warnings)),
        lambda: compile_exec(
            config, config["process"], ExecRequest(id="c", pidfd=3), Host(), warnings
        ),
        lambda: legacy_settings(resources, lambda controller, file: None),
        lambda: unified_settings(resources, lambda file: None),
        lambda: wanted_limits(resources),
        lambda: DeviceList(effective_device_rules(resources)),
        lambda: map_text(linux.get("uidMappings") or []),
        lambda: os.fsencode(linux.get("cgroupsPath") or ""),
        lambda: [rule["action"] for rule in (linux.get("seccomp") or {}).get("syscalls") or ()],
    )
    for step in steps:
        try:
            step()
        except PyociError as error:
            assert error.message


def test_the_configuration_with_everything_is_what_the_schema_allows():
    assert specs.faults("runtime/config", EVERYTHING) == []


def test_the_configuration_with_everything_is_accepted():
    assert check_config(copy.deepcopy(EVERYTHING)) == []
    use(copy.deepcopy(EVERYTHING))


@pytest.mark.parametrize("value", VALUES, ids=[repr(value)[:20] for value in VALUES])
def test_one_replaced_value_never_causes_anything_but_a_clean_error(value):
    refused = 0
    for path in PLACES:
        config = replaced(copy.deepcopy(EVERYTHING), path, value)
        try:
            use(config)
        except SpecError as error:
            refused += 1
            assert error.subject is not None
            assert error.subject == "" or error.subject.startswith("/")
            assert "\n" not in str(error)
    assert refused > 0


def test_one_missing_member_never_causes_anything_but_a_clean_error():
    for path in PLACES[1:]:
        config = copy.deepcopy(EVERYTHING)
        at = config
        for step in path[:-1]:
            at = at[step]
        del at[path[-1]]
        try:
            use(config)
        except SpecError as error:
            assert error.subject and error.subject.startswith("/")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(PLACES), JSON), min_size=1, max_size=6))
def test_any_replaced_values_never_cause_anything_but_a_clean_error(changes):
    config = copy.deepcopy(EVERYTHING)
    for path, value in changes:
        config = replaced(config, path, value)
    try:
        # Through the text: there is no other way into the runtime.
        use(decode(json.dumps(config).encode()))
    except SpecError as error:
        assert "\n" not in str(error)


# Where the checker leaves a value's meaning to the module that uses it, or takes what every engine
# writes although the schema does not say so ("" for none; pids without a limit; modes beyond 0777).
LAXER = (
    "/process/user/username",
    "/process/commandLine",
    "/linux/seccomp/",
    "/linux/memoryPolicy/",
    "/linux/rootfsPropagation",
    "/linux/resources/pids",
    "/linux/devices/0/fileMode",
    "/linux/devices/1/fileMode",
)


def test_what_the_checker_accepts_the_schema_accepts_too():
    pairs = [(path, value) for path in PLACES for value in VALUES]
    compared = 0
    for path, value in pairs[::17]:
        config = replaced(copy.deepcopy(EVERYTHING), path, value)
        try:
            check_config(config)
        except SpecError:
            continue
        compared += 1
        found = specs.faults("runtime/config", config)
        assert [fault for fault in found if not fault.startswith(LAXER)] == [], (path, value)
    assert compared > 50
