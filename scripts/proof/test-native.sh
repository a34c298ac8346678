#!/usr/bin/env bash
# The C++ tests of native/ under AddressSanitizer and UndefinedBehaviorSanitizer:  bash scripts/proof/test-native.sh
# [GTEST ARGUMENTS] Needs what scripts/setup.sh installs, and GoogleTest (Debian: libgtest-dev). Builds in
# build-sanitize/.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
build='build-sanitize'

node scripts/setup/vendor.mjs
# ccache may then reuse what another checkout compiled.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
mkdir -p "$build"
if ! {
  cmake -S . -B "$build" -G Ninja -Wno-dev -DCMAKE_BUILD_TYPE=Release \
    -DNEONSENSE_BUILD_NATIVE_TESTS=ON -DNEONSENSE_SANITIZE=address,undefined &&
    cmake --build "$build" --target engine_tests image_tests
} >"$build/build.log" 2>&1; then
  tail -n 60 "$build/build.log" >&2
  printf 'test-native: the build failed, see %s. ' "$build/build.log" >&2
  printf 'GoogleTest missing? On Debian: apt-get install libgtest-dev\n' >&2
  exit 1
fi

# A report of an earlier run must not stand for this one.
rm -f "$build"/{engine,image}_tests.json
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
status=0
for tests in engine_tests image_tests; do
  "$build/native/test/$tests" --gtest_brief=1 --gtest_output="json:$build/$tests.json" "$@" || status=1
done
exit "$status"
