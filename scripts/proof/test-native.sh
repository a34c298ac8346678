#!/usr/bin/env bash
# The C++ tests of native/ under sanitizers, XNNPACK and its assertions included; the corpora of the fuzz targets are
# replayed among them.
#
#   bash scripts/proof/test-native.sh [GTEST ARGUMENTS]             AddressSanitizer and UndefinedBehaviorSanitizer
#   bash scripts/proof/test-native.sh --threads [GTEST ARGUMENTS]   ThreadSanitizer
#
# Needs what scripts/setup.sh installs, clang and GoogleTest (Debian: clang libgtest-dev). Builds in build-sanitize/ or
# build-threads/; the first time takes several minutes.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
build=build-sanitize sanitizers=address,undefined fuzzers=ON
programs=(engine_tests hash_tests image_tests inflate_tests allocation_tests)
if [ "${1-}" = --threads ]; then
  build=build-threads sanitizers=thread fuzzers=OFF
  # allocation_tests brings an operator new of its own, as ThreadSanitizer does.
  programs=(engine_tests hash_tests image_tests inflate_tests)
  shift
fi

node scripts/setup/vendor.mjs
# ccache may then reuse what another checkout compiled.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
mkdir -p "$build"
if ! {
  cmake -S . -B "$build" -G Ninja -Wno-dev -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=clang \
    -DCMAKE_CXX_COMPILER=clang++ -DNEONSENSE_BUILD_NATIVE_TESTS=ON -DNEONSENSE_BUILD_FUZZERS="$fuzzers" \
    "-DNEONSENSE_SANITIZE=$sanitizers" &&
    cmake --build "$build" --target "${programs[@]}"
} >"$build/build.log" 2>&1; then
  tail -n 60 "$build/build.log" >&2
  printf 'test-native: the build failed, see %s. ' "$build/build.log" >&2
  printf 'A tool missing? On Debian: apt-get install clang libclang-rt-14-dev libgtest-dev\n' >&2
  exit 1
fi

# A report of an earlier run must not stand for this one.
rm -f "$build"/{engine,hash,image,inflate,allocation}_tests.json
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
status=0
for tests in "${programs[@]}"; do
  "$build/native/test/$tests" --gtest_brief=1 --gtest_output="json:$build/$tests.json" "$@" || status=1
done
# XNNPACK has sparse kernels for x86 CPUs without AVX only.
if [ "$(uname -m)" = x86_64 ]; then
  NEONSENSE_TEST_SSE_ONLY=1 "$build/native/test/engine_tests" --gtest_brief=1 "$@" || status=1
fi
exit "$status"
