#!/usr/bin/env bash
# Makes the files of models/ and their manifest from the weights that scripts/train/run.py left in WORK:
#
#   bash scripts/train/build.sh [WORK] [SHARED_DIR]
#
# Needs dist/, the addon, and the pictures in ../shared. Reports go to build-models/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=${1:-build-train}
shared=${2:-../shared}
photos=$shared/data/photos
reports=build-models
mkdir -p "$reports"

convert() {
  node scripts/train/convert.mjs "$work/$1.npz" "$2" --confidence "$work/$1-confidence.json" --card "$work/$1-card.json"
}

# compress FROM MODEL OPTIONS...
compress() {
  local from=$1 model=$2
  shift 2
  node dist/cli/main.js compress "$from" -o "models/$model.safetensors" "$@"
}

# Ranges, biases and what pruning leaves are fitted on photographs of train.
calibration=(--calibrate "$photos/train")
float=models/household-fp32.safetensors
convert household "$float"
convert sparse80 models/household-sparse80.safetensors
# FP16 is how the package carries the float model; it runs as float32.
compress "$float" household-fp16 --quantize fp16
compress "$float" household-int8-dynamic --quantize dynamic "${calibration[@]}"
# Pruned weights are solved for anew, which wants more pictures than ranges do.
compress "$float" household-pruned-int8-dynamic --prune 0.3 --quantize dynamic "${calibration[@]}" \
  --calibrate-limit 400 --keep-stages "$reports/pruned"
cp "$reports/pruned/2-reconstruct.safetensors" models/household-pruned.safetensors
compress "$float" household-int8-static --quantize static "${calibration[@]}" --calibrate-limit 400
# The ImageNet network without a head, for embeddings and for classes of one's own.
node scripts/train/convert.mjs "$shared/checkpoints/keras-mobilenetv3-small-imagenet-notop.npz" \
  "$reports/features-imagenet.safetensors"
compress "$reports/features-imagenet.safetensors" features-imagenet --quantize fp16
compress "$reports/features-imagenet.safetensors" features-imagenet-int8-dynamic --quantize dynamic "${calibration[@]}"
node scripts/train/manifest.mjs --data "$photos/test"
ls -l models
