#!/usr/bin/env bash
# fuzz.sh REPLAYER FUZZER CORPUS SECONDS: fuzzes for so long, from the target's seeds and its corpus. What it finds is kept
# beside the fuzzer, to be put into the corpus with the fix.
set -euo pipefail
replayer=$1 fuzzer=$2 corpus=$3 seconds=$4

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$replayer" --write-seeds "$folder"
if [[ -d $corpus ]]; then cp -r "$corpus"/. "$folder"; fi
"$fuzzer" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -max_len=16384 -print_final_stats=1 -verbosity=0 \
  -artifact_prefix="$fuzzer-found-" "$folder"
echo "nothing found in $seconds seconds"
