"""Removal of a state directory while other commands come for the container."""

from __future__ import annotations

import os

from pyoci.state import store
from pyoci.state.store import Entry


def test_a_lock_that_appears_meanwhile_goes_too(tmp_path, monkeypatch):
    entry = Entry(str(tmp_path / "root"), "c1")
    entry.claim()
    locks = []
    rmdir = os.rmdir

    def remove_after_another_command_came(path):
        if not locks:
            locks.append(entry.lock())
        rmdir(path)

    monkeypatch.setattr(store.os, "rmdir", remove_after_another_command_came)
    entry.remove()
    assert locks
    assert not entry.exists()
    os.close(locks[0])
