#!/usr/bin/env bash
# From a fresh Debian or Raspberry Pi OS machine with Node to a working `npx neonsense`:  bash scripts/setup.sh
# Every step is skipped when its result is there and was made from the same content, so a second run takes seconds.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
log=$root/setup.log
: >"$log"

step() { printf '%s\n' "setup: $*"; }
fail() {
  printf '%s\n' "setup: $*" >&2
  exit 1
}
# logged ADVICE COMMAND...: runs a command with its output in the log; on failure shows its first and last lines and the
# advice
logged() {
  local advice=$1 from
  shift
  printf '\n$ %s\n' "$*" >>"$log"
  from=$(wc -l <"$log")
  if ! "$@" >>"$log" 2>&1; then
    if [ "$(($(wc -l <"$log") - from))" -le 50 ]; then
      tail -n "+$((from + 1))" "$log" >&2
    else
      tail -n "+$((from + 1))" "$log" | sed -n 1,12p >&2
      printf '    ...\n' >&2
      tail -n 30 "$log" >&2
    fi
    fail "\`$*\` failed; what it said is above, all of it in $log. $advice"
  fi
}

check_node() {
  local advice='Raspberry Pi OS, Debian: https://github.com/nodesource/distributions; or nvm install 22.'
  command -v node >/dev/null || fail "Node is not installed. neonsense needs Node 20.9 or newer. $advice"
  command -v npm >/dev/null || fail "npm is not installed, although Node is. On Debian: sudo apt-get install npm"
  node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 9) ? 0 : 1)' ||
    fail "Node $(node --version) is too old. neonsense needs Node 20.9 or newer. $advice"
}

install_tools() {
  local missing=()
  command -v c++ >/dev/null || missing+=(g++)
  command -v cc >/dev/null || missing+=(gcc)
  command -v cmake >/dev/null || missing+=(cmake)
  command -v ninja >/dev/null || missing+=(ninja-build)
  command -v ccache >/dev/null || missing+=(ccache)
  command -v xz >/dev/null || missing+=(xz-utils)
  command -v tar >/dev/null || missing+=(tar)
  [ ${#missing[@]} -gt 0 ] || return 0

  if [ "$(uname)" = Darwin ]; then
    fail "missing: ${missing[*]}. Run: xcode-select --install; brew install cmake ninja ccache xz"
  fi
  command -v apt-get >/dev/null ||
    fail "missing: ${missing[*]} (Debian's names). Install them with this system's package manager, then run this again."
  local as_root=()
  local by_hand="sudo apt-get update && sudo apt-get install -y ${missing[*]}"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "missing: ${missing[*]}. As root, run: ${by_hand//sudo /}"
    if ! sudo -n true 2>/dev/null && [ ! -t 0 ]; then
      fail "missing: ${missing[*]}, and sudo asks for a password. Run: $by_hand"
    fi
    as_root=(sudo)
  fi
  step "installing ${missing[*]}"
  as_root+=(env DEBIAN_FRONTEND=noninteractive)
  logged "Try: $by_hand" "${as_root[@]}" apt-get update -q
  logged "Try: $by_hand" "${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# is_made STAMP HASH FILE...: the stamp holds this hash, and the files made then are still there
is_made() {
  local stamp=$1 hash=$2 file
  shift 2
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$hash" ] || return 1
  for file in "$@"; do
    [ -f "$file" ] || return 1
  done
}

install_packages() {
  local hash stamp=node_modules/.neonsense-installed
  # The published package has no lockfile: npm leaves it out.
  local manifests=(package.json) command=install
  if [ -f package-lock.json ]; then
    manifests+=(package-lock.json)
    command=ci
  fi
  hash=$(node scripts/setup/hash-tree.mjs "${manifests[@]}")
  hash="$hash $(node -p '[process.platform, process.arch, process.versions.modules].join(" ")')"
  is_made "$stamp" "$hash" node_modules/.package-lock.json && return
  step 'installing npm packages'
  logged "Is the npm registry reachable? Try: npm $command" \
    npm "$command" --no-audit --no-fund --include=dev --include=optional
  printf '%s\n' "$hash" >"$stamp"
}

build_native() {
  local hash stamp=build/.neonsense-native addon=build/Release/neonsense.node
  local inputs=(native CMakeLists.txt third_party/manifest.json third_party/xnnpack.cmake package.json)
  hash=$(node scripts/setup/hash-tree.mjs "${inputs[@]}")
  hash="$hash $(uname -m) $(c++ --version | head -n 1) $root"
  is_made "$stamp" "$hash" "$addon" && return
  # A CMake cache is bound to the folder it was made in; after a move or a copy it only stands in the way.
  if [ -f build/CMakeCache.txt ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" build/CMakeCache.txt; then
    rm -rf build
  fi
  step 'compiling the addon and XNNPACK (the first time 2 to 5 minutes on a PC, 10 to 30 on a Raspberry Pi)'
  # ccache may then reuse what another checkout compiled.
  export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
  # A board with 1 GB of memory can't hold as many compilers as it has cores.
  local jobs
  jobs=$(node -p 'Math.max(1, Math.min(os.availableParallelism(), Math.floor(os.totalmem() / 5e8)))')
  export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$jobs}
  logged 'Please report it with that file.' npm run build:native
  [ -f "$addon" ] || fail "the build ended well but left no $addon; see $log"
  printf '%s\n' "$hash" >"$stamp"
}

build_typescript() {
  local hash stamp=build/.neonsense-dist
  # The published package comes with dist and without its sources.
  [ -d lib ] || return 0
  hash="$(node scripts/setup/hash-tree.mjs lib tsconfig.json scripts/build/bundle.mjs package.json)"
  is_made "$stamp" "$hash" dist/index.js dist/cli/main.js && return
  step 'compiling TypeScript'
  logged '' npm run build:ts
  chmod +x dist/cli/main.js
  printf '%s\n' "$hash" >"$stamp"
}

check_node
install_tools
logged "The lines above name what was tried and what to do." node scripts/setup/vendor.mjs
install_packages
build_native
build_typescript
step "ready in ${SECONDS} s. Try: npx neonsense classify examples/clock.png"
