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
	tests/integration/checkpoint/test_checkpoint.py::test_a_restored_container_goes_on_where_it_was \
	tests/integration/checkpoint/test_checkpoint.py::test_read_only_mounts_stay_read_only \
	tests/integration/checkpoint/test_checkpoint.py::test_a_read_only_root_stays_read_only \
	tests/integration/checkpoint/test_checkpoint.py::test_it_is_restored_into_the_cgroup_of_its_new_name \
	tests/integration/checkpoint/test_checkpoint.py::test_what_changed_since_a_pre_dump_is_dumped \
	tests/integration/runtime/test_lifecycle.py \
	tests/integration/runtime/test_limits.py \
	tests/integration/runtime/test_pause.py \
	tests/integration/runtime/test_rootless.py \
	tests/integration/runtime/test_devices.py
exec .venv/bin/pytest -q -ra -n "$(nproc)" -p no:cacheprovider --junitxml=/results/junit.xml "$@"
