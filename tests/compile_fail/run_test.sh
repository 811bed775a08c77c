#!/usr/bin/env bash
# run_test.sh RUNNER COMPILER FLAG...: the runner accepts right cases and refuses wrong ones.
set -euo pipefail

runner=$1
shift
compile=("$@")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0

check() {
  local wanted=$1 what=$2 text=$3 got=accepted
  printf '%s\n' "$text" >"$scratch/case.cpp"
  bash "$runner" "$scratch/case.cpp" "${compile[@]}" >"$scratch/said" 2>&1 || got=refused
  if [[ $got != "$wanted" ]]; then
    printf '%s: must be %s, is %s\n' "$what" "$wanted" "$got"
    cat "$scratch/said"
    failures=$((failures + 1))
  fi
}

wrong='static_assert(sizeof(int) == 1, "an int has one byte");'

check accepted 'a wrong program with its sentence' "// expect: an int has one byte
$wrong"
check refused 'a wrong program with another sentence' "// expect: an int has two bytes
$wrong"
check refused 'a sentence that stands only in a quoted source line' '// expect: only in the source
int x = undeclared;  // only in the source'
check refused 'a right program that should be wrong' '// expect: an int has one byte
int main() {}'
check accepted 'a right program' '// expect: ok
int main() {}'
check refused 'a wrong program that should be right' "// expect: ok
$wrong"
check refused 'a case without its sentence' 'int main() {}'

[[ $failures == 0 ]]
