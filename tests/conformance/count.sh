#!/usr/bin/env bash
# count.sh RESULTS: which of Erlang/OTP's cases the results of a CTest run (JUnit) show as passed. The cases are those with
# a file in the table of docs/conformance.md. One has passed if it was run and no test that begins with its name failed.
# Says nothing if no test of conformance was run.
set -euo pipefail
table="$(dirname "${BASH_SOURCE[0]}")/../../docs/conformance.md"
results=$1

grep -q '<testcase name="conformance: ' "$results" || exit 0
awk -F ' *[|] *' '
  FNR == NR && $4 ~ /_test[.]cpp$/ { cases[++of] = $3 }
  FNR == NR && $4 == "not applicable" { print "conformance: " $3 " does not apply: " $5 }
  FNR == NR { next }
  match($0, /<testcase name="conformance: [a-z0-9_]+:/) {
    name = substr($0, RSTART, RLENGTH - 1)
    sub(/.*: /, "", name)
    if (/ status="run"/) run[name] = 1; else failed[name] = 1
  }
  END {
    for (i = 1; i <= of; ++i) {
      if (run[cases[i]] && !failed[cases[i]]) ++passed
      else print "conformance: " cases[i] (failed[cases[i]] ? " has failed" : " was not run")
    }
    print "conformance: " passed + 0 " of " of " cases passed"
  }' "$table" "$results"
