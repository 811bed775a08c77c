#!/usr/bin/env bash
# A calculator with three clients: each way in which an ask can end.
set -euo pipefail
source "$(dirname "$0")/expect.sh.inc"

run 0 "$1/ask"
for name in ada blaise carl; do expect "^$name asked\$" out; done
[[ $(grep -c '355 / 113 -> 3.141593' "$work/out") == 3 ]] || fail "not three quotients"
[[ $(grep -c '1 / 0 -> failed: division by zero' "$work/out") == 3 ]] || fail "not three errors"
[[ $(grep -c 'the root of 2 -> 1.414214' "$work/out") == 3 ]] || fail "not three deferred replies"
[[ $(grep -c 'the meaning of it all -> timeout' "$work/out") == 3 ]] || fail "not three deadlines"
expect 'explode -> outcome_unknown' out
expect '1 / 4 = 0.25' out
