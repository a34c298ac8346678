#!/usr/bin/env bash
# Makes the household models and their manifest from the checkpoints that scripts/train/run.py left in WORK, with every
# stage scored:
#
#   bash scripts/models/build.sh [WORK] [SHARED_DIR]
#
# Needs dist/, the addon, and the data in ../shared. Reports go to build-models/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=${1:-build-train}
data=${2:-../shared}/data
reports=build-models
mkdir -p "$reports"
# Photos are averaged down to this many pixels a side first: what did best of 32, 48, 64, 96 and 224 (docs/training.md).
reduce=32

# convert RUN MODEL: a run's averaged weights, with the temperature fitted for them
convert() {
  node scripts/models/convert.mjs "$work/$1.pth" "models/$2.safetensors" \
    --reduce "$reduce" --confidence "$work/$1.confidence.json" --card "$work/$1.card.json"
}

# quantize FROM MODEL OPTIONS...
quantize() {
  local from=$1 model=$2
  shift 2
  node dist/cli/main.js compress "models/$from.safetensors" -o "models/$model.safetensors" "$@" \
    --calibrate "$data/household_train.bin" --evaluate "$data/household_test.bin" --report "$reports/$model.md"
}

convert average household-fp32
convert pruned household-pruned
convert sparse80 household-sparse80
# FP16 is how the package carries the float model; it runs as float32.
quantize household-fp32 household-fp16 --quantize fp16
quantize household-fp32 household-int8-dynamic --quantize dynamic
quantize household-fp32 household-int8-static --quantize static
quantize household-pruned household-pruned-int8-dynamic --quantize dynamic
node scripts/models/manifest.mjs --data "$data/household_test.bin"
ls -l models
