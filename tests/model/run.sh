#!/usr/bin/env bash
# Checks the models of this folder with Spin. One line for each model and variant of variants.txt: what it is, the states
# searched, and `holds` or `fails as it must`. A model that holds has been searched twice: for assertions and processes
# that are stuck, and for runs that never end; together: whatever is owed comes to pass, without any fairness.
#   run.sh            all of them
#   run.sh MODEL...   these models
# A variant's counterexample: spin -a -DVARIANT MODEL.pml; cc -DSAFETY -o pan pan.c; ./pan; spin -t -p -DVARIANT MODEL.pml
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
  rm -f pan ./*.trail
  spin -a ${macro:+"-D$macro"} "$here/$model.pml" >spin.txt 2>&1 </dev/null && [[ -f pan.c ]] &&
    "$compiler" -w -DMEMLIM=4096 "$@" -o pan pan.c >>spin.txt 2>&1
}

# search PAN_OPTION...: sets `states` and `errors`; false if the search was not complete.
search() {
  ./pan -m100000 "$@" >pan.txt 2>&1 </dev/null || true
  states=$(awk '/states, stored/ {print $1; exit}' pan.txt)
  errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.txt | head -n 1)
  [[ -n $states && -n $errors ]] && ! grep -qE 'max search depth too small|out of memory|memory limit' pan.txt
}

holds() {
  local model=$1 macro=$2 name=$3
  verifier "$model" "$macro" -O1 -DSAFETY || { cat spin.txt; wrong "$name" "Spin or $compiler refuses the model"; return; }
  search || { cat pan.txt; wrong "$name" "the search did not come to its end"; return; }
  if ((errors > 0)); then
    sed -n 's/^pan:1: //p' pan.txt
    wrong "$name" "does not hold: see the head of run.sh for how to print the counterexample"
    return
  fi
  local first=$states
  verifier "$model" "$macro" -O1 -DNP || { cat spin.txt; wrong "$name" "Spin or $compiler refuses the model"; return; }
  search -l || { cat pan.txt; wrong "$name" "the search for endless runs did not come to its end"; return; }
  if ((errors > 0)); then wrong "$name" "has a run that never ends"; return; fi
  printf '%s: %s states, holds\n' "$name" "$first"
}

fails() {
  local model=$1 macro=$2 name=$3
  grep -qw -- "$macro" "$here/$model.pml" || { wrong "$name" "$model.pml knows no variant $macro"; return; }
  verifier "$model" "$macro" -O0 -DSAFETY || { cat spin.txt; wrong "$name" "Spin or $compiler refuses the variant"; return; }
  search || { cat pan.txt; wrong "$name" "the search did not come to its end"; return; }
  if ((errors == 0)); then wrong "$name" "holds, but this bug must be found: the model has lost its power"; return; fi
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
