#!/usr/bin/env bash
set -euo pipefail
source "$(dirname "$0")/expect.sh.inc"

run 0 "$1/pipe-hello"
expect 'hello' out
