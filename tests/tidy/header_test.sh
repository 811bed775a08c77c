#!/usr/bin/env bash
# header_test.sh HEADER.SH COMPILER FLAG...: the runner accepts right headers and refuses wrong ones.
set -euo pipefail

runner=$1
shift
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
compile=("$@" "-I$scratch")
failures=0

check() {
  local wanted=$1 got=accepted
  shift
  bash "$runner" "$@" "${compile[@]}" >"$scratch/said" 2>&1 || got=refused
  if [[ $got != "$wanted" ]]; then
    printf '%s: must be %s, is %s\n' "$*" "$wanted" "$got"
    cat "$scratch/said"
    failures=$((failures + 1))
  fi
}

for name in {a..t}; do printf '#define %s\nextern int _%s;\n' $name $name; done >"$scratch/whole.hpp"
printf '#pragma once\nstd::string a;\n' >"$scratch/leaning.hpp"
printf '#pragma once\ninline int f(long a) { return a; }\n' >"$scratch/warning.hpp"

check accepted alone whole.hpp
check refused alone leaning.hpp
check refused alone warning.hpp
check refused alone missing.hpp
check accepted limit whole.hpp 30
check refused limit whole.hpp 10
check accepted limit whole.hpp none
check refused limit missing.hpp 2

[[ $failures == 0 ]]
