#!/usr/bin/env bash
# run.sh must fail for a model that does not hold, for a bug that is not found, and for what it does not know.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
list=$(mktemp)
trap 'rm -f "$list"' EXIT

# expect SENTENCE LINE_OF_VARIANTS
expect() {
  echo "$2" >"$list"
  if said=$(TROUPE_MODEL_VARIANTS="$list" bash "$here/run.sh" verdict); then
    echo "run.sh is content with '$2': $said"
    exit 1
  fi
  grep -qF "$1" <<<"$said" || { echo "run.sh does not say '$1' about '$2', but: $said"; exit 1; }
}
expect 'does not hold' 'verdict | +VERDICT_FROM_THE_PAGE | a bug'
expect 'has lost its power' 'verdict | LIMIT | no bug'
expect 'knows no variant NO_SUCH_BUG' 'verdict | NO_SUCH_BUG | not there'
expect 'knows no model' 'sleep | - | another model'  # tidy: allow sleep, because it is the model's name
