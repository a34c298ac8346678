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
# Photos are averaged down to this many pixels a side first: what did best of 32, 48, 64 and none (docs/training.md).
reduce=32

# convert NAME FILE: weights of a run or of a mean of runs, with the temperature fitted for them
convert() {
  node scripts/models/convert.mjs "$work/$1.pth" "$2" \
    --reduce "$reduce" --confidence "$work/$1.confidence.json" --card "$work/$1.card.json"
}

# compress FROM MODEL OPTIONS...
compress() {
  local from=$1 model=$2
  shift 2
  node dist/cli/main.js compress "$from" -o "models/$model.safetensors" "$@" \
    --evaluate "$data/household_test.bin" --report "$reports/$model.md"
}

calibration=(--calibrate "$data/household_train.bin")
float=models/household-fp32.safetensors
convert dense "$float"
convert sparse80 models/household-sparse80.safetensors
# FP16 is how the package carries the float model; it runs as float32.
compress "$float" household-fp16 --quantize fp16
compress "$float" household-int8-dynamic --quantize dynamic "${calibration[@]}"
# Pruned weights are solved for anew, which wants more pictures than ranges do.
compress "$float" household-pruned-int8-dynamic --prune 0.3 --quantize dynamic "${calibration[@]}" \
  --calibrate-images 400 --keep-stages "$reports/pruned"
cp "$reports/pruned/2-reconstruct.safetensors" models/household-pruned.safetensors
# Every layer in int8, with the weights and ranges of quantization-aware training.
convert int8 "$reports/int8.safetensors"
compress "$reports/int8.safetensors" household-int8-static --quantize static --ranges "$work/int8.ranges.json"
node scripts/models/manifest.mjs --data "$data/household_test.bin"
ls -l models
