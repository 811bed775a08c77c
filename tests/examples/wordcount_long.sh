#!/usr/bin/env bash
# The count is exact every time, whoever is killed when: a hundred runs, the first ten with more kills.
set -euo pipefail
source "$(dirname "$0")/expect.sh.inc"

kills=0
for seed in $(seq 100); do
  if ((seed <= 10)); then least=120; else least=30; fi
  run 0 "$1/wordcount" --chaos --seed "$seed" --kills "$least"
  expect 'kills [0-9]+, restarts [0-9]+, words [0-9]+: identical$' out
  this=$(sed -n 's/^kills \([0-9]*\),.*/\1/p' "$work/out")
  ((this >= least)) || fail "seed $seed: $this kills, not $least"
  kills=$((kills + this))
done
echo "wordcount: runs 100, kills $kills, identical 100"
