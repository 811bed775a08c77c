#!/usr/bin/env bash
# The README's first program: one crash, the same handle, a new process.
set -euo pipefail
source "$(dirname "$0")/expect.sh.inc"

run 0 "$1/hello"
expect '^hello world from pid [0-9]+$' out
expect '^outcome_unknown: greeter was killed by SIGABRT after it had started Crash' out
expect '^hello again from pid [0-9]+$' out
first=$(sed -n 's/^hello world from pid //p' "$work/out")
second=$(sed -n 's/^hello again from pid //p' "$work/out")
[[ $first != "$second" ]] || fail "the process was not replaced"
