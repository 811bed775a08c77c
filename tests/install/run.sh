#!/usr/bin/env bash
# run.sh add_subdirectory|find_package SOURCE BUILD COMPILER
set -euo pipefail

way=$1 source=$2 build=$3 compiler=$4
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

case $way in
  add_subdirectory)
    arguments=("-DTROUPE_SOURCE=$source")
    ;;
  find_package)
    cmake --install "$build" --prefix "$scratch/prefix" >"$scratch/install.log"
    arguments=("-DCMAKE_PREFIX_PATH=$scratch/prefix")
    if grep -rlE '[<"](wire|os|channel|worker|supervision|config|inspect)/' "$scratch/prefix/include"; then
      echo "the installed headers above name a folder that is not installed" >&2
      exit 1
    fi
    ;;
esac

if command -v ccache >/dev/null; then arguments+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi

# Without debug information ccache knows the files again although the folder is new each time; many files in one are
# compiled sooner.
cmake -S "$source/tests/install/outside" -B "$scratch/build" -G Ninja \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE= -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=12 "${arguments[@]}"
cmake --build "$scratch/build" -j 2 --target hello

said=$("$scratch/build/hello")
printf '%s\n' "$said"
[[ $said == "hello world from pid "*$'\n'*"hello again from pid "* ]] || {
  echo "the program must greet the world, and again after the crash" >&2
  exit 1
}
