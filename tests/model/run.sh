#!/usr/bin/env bash
# Checks the models of this folder with Spin. One line for each model and variant of variants.txt: what it is, the
# states searched, and `holds` or `fails as it must`. What holds has been searched twice: for assertions and processes
# that are stuck, and for runs that never end; together: whatever is owed comes to pass, without any fairness.
#   run.sh            all of them
#   run.sh MODEL...   these models
# The counterexample of a variant, step by step:
#   spin -a -DVARIANT MODEL.pml && cc -DSAFETY -o pan pan.c && ./pan -m100000; spin -t -p -g -DVARIANT MODEL.pml
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
variants=${TROUPE_MODEL_VARIANTS:-$here/variants.txt}
compiler=${CC:-cc}
for tool in spin "$compiler"; do
  command -v "$tool" >/dev/null || { echo "the models need $tool: apt-get install spin gcc"; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

wrong() {
  printf '%s: %s\n' "$1" "$2"
  failed=1
}

# verifier MODEL MACRO CC_OPTION...: makes ./pan here.
verifier() {
  local model=$1 macro=$2
  shift 2
  rm -f pan pan.c ./*.trail
  spin -a ${macro:+"-D$macro"} "$here/$model.pml" >said.txt 2>&1 </dev/null && [[ -f pan.c ]] &&
    "$compiler" -w -DMEMLIM=4096 "$@" -o pan pan.c >>said.txt 2>&1
}

# search NAME MODEL MACRO OPTIMIZATION KIND PAN_OPTION...: sets `states` and `errors`; false, and said why, if the search
# was not complete.
search() {
  local name=$1 model=$2 macro=$3
  if ! verifier "$model" "$macro" "$4" "$5"; then
    cat said.txt
    wrong "$name" "spin or $compiler refuses $model.pml"
    return 1
  fi
  shift 5
  ./pan -m100000 "$@" >said.txt 2>&1 </dev/null || true
  states=$(awk '/states, stored/ {print $1; exit}' said.txt)
  errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' said.txt | head -n 1)
  if [[ -z $states || -z $errors ]] || grep -qE 'max search depth too small|out of memory|memory limit' said.txt; then
    cat said.txt
    wrong "$name" "the search did not come to its end"
    return 1
  fi
}

holds() {
  local model=$1 macro=$2 name=$3 searched
  search "$name" "$model" "$macro" -O1 -DSAFETY || return 0
  if ((errors > 0)); then
    sed -n 's/^pan:1: //p' said.txt
    wrong "$name" "does not hold: the head of run.sh says how to print the counterexample"
    return 0
  fi
  searched=$states
  search "$name" "$model" "$macro" -O1 -DNP -l || return 0
  if ((errors > 0)); then
    wrong "$name" "has a run that never ends"
    return 0
  fi
  printf '%s: %s states, holds\n' "$name" "$searched"
}

fails() {
  local model=$1 macro=$2 name=$3
  if ! grep -qw -- "$macro" "$here/$model.pml"; then
    wrong "$name" "$model.pml knows no variant $macro"
    return 0
  fi
  search "$name" "$model" "$macro" -O0 -DSAFETY || return 0
  if ((errors == 0)); then
    wrong "$name" "holds, but this bug must be found: the model has lost its power"
    return 0
  fi
  printf '%s: %s states, fails as it must\n' "$name" "$states"
}

cd "$work"
checked=0
while IFS='|' read -r model variant _; do
  model=${model// /}
  variant=${variant// /}
  case $model in '' | '#'*) continue ;; esac
  if (($# > 0)) && [[ " $* " != *" $model "* ]]; then continue; fi
  checked=$((checked + 1))
  case $variant in
    -) holds "$model" "" "$model" ;;
    +*) holds "$model" "${variant#+}" "$model ${variant#+}" ;;
    *) fails "$model" "$variant" "$model $variant" ;;
  esac
done <"$variants"
if ((checked == 0)); then
  echo "variants.txt knows no model of: $*"
  exit 1
fi
exit "$failed"
