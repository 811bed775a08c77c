# Shell functions that examples/run and tests/run share; to be sourced by bash. What they say goes to stderr,
# so that stdout belongs to the program that is run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=${0##*/}
case $0 in */*) program=$(basename "$(dirname "$0")")/$program ;; esac

say() { printf '%s: %s\n' "$program" "$*" >&2; }

die() {
  say "$*"
  exit 1
}

# packages SCOPE: the packages of packages.txt that are always needed, and those marked with SCOPE.
packages() {
  local package scope
  while read -r package scope; do
    case $package in '' | '#'*) continue ;; esac
    if [[ -z $scope || $scope == "$1" ]]; then printf '%s\n' "$package"; fi
  done <"$root/framework/cmake/packages.txt"
}

missing_packages() {
  local wanted installed
  mapfile -t wanted < <(packages "$1")
  # dpkg-query fails when it does not know one of them.
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
  local package
  for package in "${wanted[@]}"; do
    grep -qxF "installed $package" <<<"$installed" || printf '%s\n' "$package"
  done
}

# install_packages [all]
install_packages() {
  local scope=${1:-} missing
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    die "no apt here: this script needs Debian or Ubuntu; elsewhere install $(packages "$scope" | paste -sd' ') and use CMake"
  mapfile -t missing < <(missing_packages "$scope")
  if [[ ${#missing[@]} == 0 ]]; then return; fi

  local as_root=()
  if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null ||
      die "not root, and no sudo without a password: run 'apt-get install ${missing[*]}' as root, then call again"
    as_root=(sudo -n)
  fi
  say "installing ${missing[*]}"
  local log
  log=$(mktemp)
  # An update that fails for one mirror of several does no harm; whether it did is seen by the installation.
  if ! {
    apt_get update
    apt_get install --no-install-recommends "${missing[@]}"
  } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "apt-get cannot install ${missing[*]} (no network?); what it said is above"
  fi
  rm -f "$log"
}

apt_get() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Acquire::Retries=2 -o Acquire::http::Timeout=20 \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

# check_compiler COMPILER
check_compiler() {
  local compiler=$1 oldest version
  command -v "$compiler" >/dev/null || die "the compiler $compiler (from CXX) is not installed"
  case $("$compiler" --version) in
    *clang*) oldest=14 ;;
    *) oldest=12 ;;
  esac
  version=$("$compiler" -dumpversion)
  ((${version%%.*} >= oldest)) ||
    die "the compiler $compiler $version is too old: Troupe needs g++ 12 or clang 14, or newer (set CXX to choose one)"
}

check_cmake() {
  local version
  read -r _ _ version < <(cmake --version)
  printf '3.25\n%s\n' "$version" | sort -VC || die "CMake $version is too old: Troupe needs 3.25"
}

# configure PRESET: into build/PRESET, unless that is done; from then on Ninja repeats it when a CMakeLists.txt changes.
configure() {
  local preset=$1 build="$root/build/$1" fresh=()
  if [[ -f $build/build.ninja && ! $root/CMakePresets.json -nt $build/build.ninja ]] &&
    grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$build/CMakeCache.txt"; then
    return
  fi
  check_cmake
  check_compiler "$(compiler_of "$preset")"
  if [[ -f $build/CMakeCache.txt ]]; then fresh=(--fresh); fi
  say "configuring build/$preset"
  (cd "$root" && cmake --preset "$preset" "${fresh[@]}") >&2 || die "CMake cannot configure build/$preset; what it said is above"
}

compiler_of() {
  if [[ $1 == clang || $1 == fuzz ]]; then echo clang++; else echo "${CXX:-c++}" | cut -d" " -f1; fi
}

# build PRESET TARGET...
build() {
  local preset=$1
  shift
  configure "$preset"
  say "building $* in build/$preset"
  cmake --build "$root/build/$preset" --parallel "$(nproc)" --target "$@" >&2
}
