#!/usr/bin/env bash
# Who is touched by a death, in which order, under each strategy.
set -euo pipefail
source "$(dirname "$0")/expect.sh.inc"

run 0 "$1/restart-strategies" --log
order() { awk -v strategy="$1" '$1 == strategy { printf "%s%s ", $3, substr($4, 1, 2) }' "$work/out"; }
starts="ast bst cst dst bki "
[[ $(order one_for_one) == "ast bst cst dst bki bst " ]] || fail "one_for_one: $(order one_for_one)"
[[ $(order rest_for_one) == "${starts}dst cst bst cst dst " ]] || fail "rest_for_one: $(order rest_for_one)"
[[ $(order one_for_all) == "${starts}dst cst ast ast bst cst dst " ]] || fail "one_for_all: $(order one_for_all)"
grep -q '^rest_for_one [0-9]* d stops [0-9]*$' "$work/out" || fail "nobody is stopped under rest_for_one"

run 0 "$1/restart-strategies"
expect '^a     as before         as before         new process' out
expect '^c     as before         new process       new process' out
