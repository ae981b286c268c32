"""CRIU's own reason, out of logs as it writes them."""

from __future__ import annotations

import pytest

from pyoci.criu.log import failure_reason
from pyoci.criu.program import criu_environment, find_criu
from pyoci.errors import CriuError

LOG = """\
(00.002) Version: 3.17.1
(00.010) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self
(00.020) Warn  (criu/net.c:1): something
(00.089) Error (criu/files-reg.c:1790): Can't lookup mount=27 for fd=1 path=/out
(00.089) Error (criu/cr-dump.c:1698): Dump files (pid: 17431) failed with -1
(00.150) Unlock network
(00.161) Error (criu/cr-dump.c:2128): Dumping FAILED.
"""


def test_the_reason_is_the_first_error_that_matters(tmp_path):
    (tmp_path / "dump.log").write_text(LOG)
    reason = failure_reason(str(tmp_path / "dump.log"))
    assert reason == "Can't lookup mount=27 for fd=1 path=/out"


def test_without_a_log_it_is_what_was_written_to_standard_error(tmp_path):
    output = b"Warn (criu/x.c:1): y\nError (criu/crtools.c:260): Could not initialize\x1b kernel\n"
    reason = failure_reason(str(tmp_path / "none"), output)
    assert reason == "Could not initialize? kernel"


@pytest.mark.parametrize("text", ["", "Error (criu/cr-dump.c:1): Dumping FAILED.\n", "Error (\n"])
def test_no_reason_is_no_reason(tmp_path, text):
    (tmp_path / "log").write_text(text)
    assert failure_reason(str(tmp_path / "log")) == ""


def test_criu_is_found_without_a_path_and_before_the_usual_places(tmp_path):
    assert "/usr/sbin" in criu_environment({})["PATH"].split(":")
    program = tmp_path / "criu"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_criu(criu_environment({"PATH": f"relative:{tmp_path}"})) == str(program)


def test_a_missing_criu_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(CriuError, match="apt-get install criu"):
        find_criu({"PATH": str(tmp_path)})
