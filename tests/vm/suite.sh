#!/bin/sh
# The integration tests that run in the virtual machine: those for which the host's cgroups, its
# service manager and its security module make a difference, and how containers begin and end.
# The others (the builder's, the texts of errors, the seccomp compiler's) would find there what they
# find anywhere, and emulation makes them take minutes.
#
# usage: suite.sh [PYTEST ARGUMENT...]
export PYOCI_TEST_USER=tester
[ $# -gt 0 ] || set -- \
	tests/integration/cgroup \
	tests/integration/runtime/test_lifecycle.py \
	tests/integration/runtime/test_limits.py \
	tests/integration/runtime/test_pause.py \
	tests/integration/runtime/test_rootless.py \
	tests/integration/runtime/test_devices.py
exec .venv/bin/pytest -q -ra -n "$(nproc)" -p no:cacheprovider --junitxml=/results/junit.xml "$@"
