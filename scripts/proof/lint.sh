#!/usr/bin/env bash
# What `npm run lint` checks beside TypeScript: C++ with clang-format, Python with ruff, shell with shellcheck.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

for tool in clang-format ruff shellcheck; do
  command -v "$tool" >/dev/null || {
    printf 'lint: %s is not installed. Debian: apt-get install clang-format shellcheck; pip install ruff\n' "$tool" >&2
    exit 1
  }
done
git ls-files '*.cc' '*.h' '*.c' | xargs clang-format --dry-run --Werror
ruff format --check --quiet scripts
ruff check --quiet scripts
{
  git ls-files '*.sh'
  printf '.ci/run\n'
} | xargs shellcheck --exclude=SC2317
