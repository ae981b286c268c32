#!/bin/sh
# Fuzzes the init's parsers: run.sh [SECONDS for each target, 10 by default] [TARGET...]
#
# Needs clang with its sanitizers' libraries (Debian: clang, libclang-rt-dev or llvm). What is found
# stays in build/fuzz: inputs that crash a target are named crash-*, and the corpus grows from run
# to run.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
init=$checkout/pyoci/init
build=$checkout/build/fuzz
seconds=${1:-10}
[ $# -eq 0 ] || shift
[ $# -ne 0 ] || set -- plan passwd mountinfo
: "${CLANG:=clang}" "${PYTHON:=python3}"

if ! command -v "$CLANG" >/dev/null; then
    echo "fuzz: $CLANG is missing: apt-get install clang" >&2
    exit 1
fi
PYTHON=$(command -v "$PYTHON")
case $PYTHON in
/*) ;;
*) PYTHON=$PWD/$PYTHON ;;
esac
mkdir -p "$build"
make -s -C "$init" PYTHON="$PYTHON" plan_table.h
"$PYTHON" "$here/seeds.py" "$build/corpus"

sources=
for source in "$init"/*.c; do
    case $source in
    */main.c | */freestanding.c) ;;
    *) sources="$sources $source" ;;
    esac
done

for target; do
    # shellcheck disable=SC2086 # a list of files without spaces of their own
    "$CLANG" -std=c11 -g -O1 -Wall -Wextra -Werror -fno-builtin -I"$init" \
        -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
        -o "$build/fuzz_$target" "$here/fuzz_$target.c" $sources
    echo "fuzz: $target for $seconds s"
    "$build/fuzz_$target" -max_total_time="$seconds" -max_len=16384 -print_final_stats=1 \
        -artifact_prefix="$build/crash-$target-" -verbosity=0 "$build/corpus/$target"
done
