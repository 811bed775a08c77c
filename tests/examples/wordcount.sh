#!/usr/bin/env bash
# Counts that can be checked by hand, wrong input, and one run under chaos.
set -euo pipefail
source "$(dirname "$0")/expect.sh.inc"
wordcount=$1/wordcount

run 0 "$wordcount"
expect ': identical$' out

mkdir -p "$work/texts/below"
printf 'One fish two FISH' >"$work/texts/a.txt"
printf 'red fish blue fish\n' >"$work/texts/below/b.txt"
run 0 "$wordcount" "$work/texts"
expect '^  4	fish$' out
expect 'kills 0, restarts 0, words 8: identical$' out
run 0 "$wordcount" "$work/texts/a.txt" --passes 7
expect 'words 28: identical$' out

run 0 "$wordcount" - <"$work/texts/a.txt"
expect 'words 4: identical$' out
run 0 "$wordcount" - </dev/null
expect 'words 0: identical$' out
: >"$work/empty"
run 0 "$wordcount" "$work/empty"
expect 'words 0: identical$' out

head -c 3000000 /dev/zero | tr '\0' 'x' >"$work/one-word"
run 0 "$wordcount" "$work/one-word"
expect 'words 1: identical$' out

run 0 "$wordcount" "$wordcount" "$work/texts/a.txt"
expect 'wordcount is not text: left out' err
expect 'words 4: identical$' out

run 2 "$wordcount" "$work/none"
expect 'there is no file or directory .*/none' err
if [[ $(id -u) != 0 ]]; then
  mkdir -m 0 "$work/locked"
  run 2 "$wordcount" "$work/locked"
  expect 'cannot read directory .*/locked' err
fi

run 0 "$wordcount" --chaos
expect 'kills 1[0-9][0-9], restarts [0-9]+, words [0-9]+: identical$' out
run 0 "$wordcount" - --chaos --kills 0 < <(yes 'a rose is a rose is a rose' | head -n 200000)
expect 'words 1600000: identical$' out
