#!/usr/bin/env bash
# The service from its file: checked, and through its menu of faults.
set -euo pipefail
source "$(dirname "$0")/expect.sh.inc"
tree=$1/tree
file=$(dirname "$0")/../../examples/tree/service.toml

run 0 "$tree" check "$file"
run 0 "$tree" actors
expect '^Worker' out

# A sanitizer's shadow memory does not fit into the file's limit, so no worker would start, and without it a leak goes on.
changes=()
[[ -z ${TROUPE_SANITIZE:-} ]] || changes=(--set "supervisor.child.pipeline.child.worker.limits={}")

run 1 "$tree" run "$file" --set 'supervisor.child.menu.args.victim="nobody"' "${changes[@]}"
expect 'its args name "nobody", and the file has no actor of this name and class' err

# fault KEY TEXT: types it, waits until the log says so, asks for the status until it is decided what happens, and quits.
fault() {
  local key=$1 text=$2 decided='^menu.*: worker-1 .*: (restarted|restarts_later)$' i
  : >"$work/out"
  : >"$work/err"
  coproc service { timeout 60 "$tree" run "$file" "${changes[@]}" >"$work/out" 2>"$work/err"; }
  local pid=$service_PID to=${service[1]}
  printf '%s' "$key" >&"$to"
  for ((i = 0; i < 400; ++i)); do
    if grep -Eq -- "$text" "$work/err" && grep -Eq -- "$decided" "$work/out"; then break; fi
    printf 's' >&"$to"
    sleep 0.1 # tidy: allow sleep, because a file says nothing when it grows
  done
  printf 'q' >&"$to"
  wait "$pid" || fail "the service ended with $?"
  expect "$text" err
  expect "$decided" out
}

fault c 'worker-1.* was killed by SIGABRT .* Crash'
fault h 'worker-1.* was killed as hung: it had .*Hang'
[[ -n ${TROUPE_SANITIZE:-} ]] || fault l 'worker-1.* ended by an exception: std::bad_alloc'
fault p 'dead letter.* Poison'
