#!/usr/bin/env bash
# run.sh CASE.cpp COMPILER FLAG...: judges one case, see CMakeLists.txt.
set -euo pipefail
export LC_ALL=C

case_file=$1
shift

fail() {
  printf '%s: %s\n' "$case_file" "$1"
  if [[ -n ${said:-} ]]; then printf 'The compiler said:\n%s\n' "$said"; fi
  exit 1
}

first_line=$(head -n 1 "$case_file")
[[ $first_line == "// expect: "?* ]] || fail 'the first line must be "// expect: SENTENCE" or "// expect: ok"'
expected=${first_line#// expect: }

# A quoted source line could contain the sentence although the compiler does not say it.
case $("$1" --version) in
  *clang*) quiet=-fno-caret-diagnostics ;;
  *) quiet=-fno-diagnostics-show-caret ;;
esac

said=
compiles=yes
said=$("$@" "$quiet" -fsyntax-only "$case_file" 2>&1) || compiles=no

if [[ $expected == ok ]]; then
  [[ $compiles == yes ]] || fail 'this program must compile, and does not'
  exit 0
fi
[[ $compiles == no ]] || fail 'this program must not compile, and does'
[[ $said == *"$expected"* ]] || fail "the compiler must say \"$expected\", and does not"
