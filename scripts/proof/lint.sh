#!/usr/bin/env bash
# What `npm run lint` checks beside TypeScript and prose: C++ with clang-format and clang-tidy, Python with ruff, shell
# with shellcheck, workflows with actionlint. pip installs clang-format and ruff into build-tools/, once for each pin;
# clang-tidy and shellcheck are the system's. Workflows are checked where Go is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

requirements=scripts/proof/lint-requirements.txt
tools=build-tools/lint-$(node scripts/setup/hash-tree.mjs "$requirements" | cut -c1-16)
if [ ! -d "$tools" ]; then
  mkdir -p build-tools
  temporary=$(mktemp -d build-tools/.lint-XXXXXX)
  trap 'rm -rf "$temporary"' EXIT
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps \
    --only-binary :all: --require-hashes --target "$temporary/x" -r "$requirements" || {
    printf 'lint: pip could not install clang-format and ruff. On Debian: apt-get install python3-pip\n' >&2
    exit 1
  }
  mv "$temporary/x" "$tools"
fi
command -v shellcheck >/dev/null || {
  printf 'lint: shellcheck is not installed. Debian: apt-get install shellcheck; macOS: brew install shellcheck\n' >&2
  exit 1
}

git ls-files '*.cc' '*.h' '*.c' | xargs "$tools/clang_format/data/bin/clang-format" --dry-run --Werror
if ! command -v clang-tidy >/dev/null; then
  printf 'lint: C++ is only formatted, because clang-tidy is not installed. Debian: apt-get install clang-tidy\n'
elif [ ! -f build/compile_commands.json ]; then
  printf 'lint: C++ is only formatted, because the addon was not built here: run npm run build:native\n'
else
  # What the addon is built of here: not tests, fuzz targets and the benchmark, nor the kernels of other CPUs.
  git ls-files 'native/*.cc' | while read -r file; do
    ! grep -qF "\"file\": \"$PWD/$file\"" build/compile_commands.json || printf '%s\n' "$file"
  done |
    xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 4 clang-tidy -p build --quiet 2>/dev/null
fi
"$tools/bin/ruff" format --check --quiet scripts
"$tools/bin/ruff" check --quiet scripts
{
  git ls-files '*.sh'
  printf '.ci/run\n'
} | xargs shellcheck --exclude=SC2317
if command -v go >/dev/null; then
  GOFLAGS=-mod=mod go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.7
else
  printf 'lint: workflows are not checked, because Go is not installed\n'
fi
