#!/usr/bin/env bash
# Fuzzes one native target with libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer; fuzz.mjs calls it:
# bash scripts/proof/fuzz/native.sh TARGET SECONDS. Needs clang with its runtime (Debian: clang libclang-rt-14-dev).
# Builds where test-native.sh does; what is learned stays in build-fuzz/TARGET.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
cd "$root"
target=$1 seconds=$2 build=build-sanitize

node scripts/setup/vendor.mjs
# ccache may then reuse what another checkout compiled.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
mkdir -p "$build"
if ! {
  cmake -S . -B "$build" -G Ninja -Wno-dev -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=clang \
    -DCMAKE_CXX_COMPILER=clang++ -DNEONSENSE_BUILD_NATIVE_TESTS=ON -DNEONSENSE_BUILD_FUZZERS=ON \
    "-DNEONSENSE_SANITIZE=address,undefined" &&
    cmake --build "$build" --target "fuzz_$target"
} >"$build/build.log" 2>&1; then
  tail -n 60 "$build/build.log" >&2
  printf 'fuzz: the build failed, see %s. clang missing? On Debian: apt-get install clang libclang-rt-14-dev\n' \
    "$build/build.log" >&2
  exit 1
fi

work=build-fuzz/$target
mkdir -p "$work/corpus"
seeds=()
[ ! -d "native/fuzz/corpus/$target" ] || seeds=("native/fuzz/corpus/$target")
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
"$build/native/fuzz/fuzz_$target" "$work/corpus" "${seeds[@]}" -max_len=65536 -timeout=60 "-max_total_time=$seconds" -print_final_stats=1 \
  "-artifact_prefix=$work/"
