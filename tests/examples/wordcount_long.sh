#!/usr/bin/env bash
# The count is exact every time, whoever is killed when.
set -euo pipefail
source "$(dirname "$0")/expect.sh.inc"

for seed in $(seq 10); do
  run 0 "$1/wordcount" --chaos --seed "$seed"
  expect 'kills 1[0-9][0-9], restarts [0-9]+, words [0-9]+: identical$' out
  tail -n 1 "$work/out"
done
