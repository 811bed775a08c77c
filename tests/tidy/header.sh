#!/usr/bin/env bash
# header.sh alone HEADER COMPILER FLAG...
# header.sh limit HEADER LINES|none COMPILER FLAG...
set -euo pipefail

what=$1 header=$2
shift 2

include() { printf '#include <%s>\n' "$header"; }

case $what in
  alone)
    include | "$@" -Wall -Wextra -Wpedantic -Wconversion -Werror -fsyntax-only -x c++ -
    ;;
  limit)
    limit=$1
    shift
    lines=$(include | "$@" -E -P -x c++ - | wc -l)
    echo "$header: $lines lines, limit: $limit"
    [[ $limit == none ]] || ((lines <= limit))
    ;;
esac
