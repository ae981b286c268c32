#!/bin/sh
# What the container looks like from inside, where there is no compiler (@BUILT_ON@).
echo "${GREETING:-Hello}"
echo "  system      $(uname -sr)"
echo "  host name   $(hostname)"
echo "  process     $$"
echo "  user        $(id -u):$(id -g) ($(id -un))"
echo "  directory   $(pwd)"
[ "$1" = --all ] && grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status | sed 's/^/  /'
exit 0
