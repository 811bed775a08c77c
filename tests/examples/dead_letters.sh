#!/usr/bin/env bash
# A message that kills its handler three times is read, and handled when it is told again.
set -euo pipefail
source "$(dirname "$0")/expect.sh.inc"

run 0 "$1/dead-letters"
expect '^Print from main to printer$' out
[[ $(grep -c '^  the printer was killed by SIGABRT' "$work/out") == 3 ]] || fail "three deaths were expected"
expect '^it says: a page that kills its printer$' out
expect '^printer\([0-9]+\): printed: a page that kills its printer$' out
