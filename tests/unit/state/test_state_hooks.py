"""Hooks of the kept configuration: found however they are written, looked for without parsing."""

from __future__ import annotations

import json

import pytest

from pyoci.errors import ContainerNotFoundError, StateFileError
from pyoci.state import store
from pyoci.state.store import CONFIG_FILE, Entry

HOOK = {"path": "/bin/true"}


@pytest.fixture
def entry(tmp_path):
    found = Entry(str(tmp_path / "root"), "c1")
    found.claim()
    return found


def test_hooks_are_found(entry):
    entry.save_config(json.dumps({"hooks": {"poststop": [HOOK]}}).encode())
    assert entry.read_hooks("poststop") == [HOOK]
    assert entry.read_hooks("poststart") == []


def test_a_name_spelled_with_escapes_is_found(entry):
    entry.save_config(b'{"hooks": {"\\u0070oststop": [{"path": "/bin/true"}]}}')
    assert entry.read_hooks("poststop") == [HOOK]


@pytest.mark.parametrize("config", [{}, {"hooks": None}, {"hooks": {}}, {"x": "poststop"}])
def test_without_hooks_there_are_none(entry, config):
    entry.save_config(json.dumps(config).encode())
    assert entry.read_hooks("poststop") == []


def test_a_configuration_that_does_not_name_them_is_not_parsed(entry, monkeypatch):
    def parse(*arguments, **options):
        raise AssertionError("parsed")

    entry.save_config(b'{"process": {}}\n')
    monkeypatch.setattr(store, "decode", parse)
    assert entry.read_hooks("poststart") == []


@pytest.mark.parametrize("data", [b"", b"{", b'{"process": {"args"', b"[]"])
def test_a_damaged_configuration_is_an_error(entry, data):
    entry.save_config(data)
    with pytest.raises(StateFileError):
        entry.read_hooks("poststart")


def test_a_missing_configuration_is_an_error(entry):
    with pytest.raises(StateFileError):
        entry.read_hooks("poststart")
    entry.remove()
    with pytest.raises(ContainerNotFoundError):
        entry.read_hooks("poststart")
    assert not entry.exists()


def test_the_file_is_config_json(entry):
    entry.save_config(b"{}")
    assert store.read_file(entry.file(CONFIG_FILE)) == b"{}"
