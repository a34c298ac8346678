#include "engine/input/input_layout.h"

#include <algorithm>
#include <cstring>

#include "engine/input/patch_layout.h"
#include "engine/input/row_layout.h"

namespace neonsense::engine {
namespace {

// The image as it is.
class PlainLayout : public InputLayout {
 public:
  explicit PlainLayout(const Plan& plan) : InputLayout(plan) { is_plain_ = true; }
  void Copy(const float* image, void* target) override { std::memcpy(target, image, bytes()); }
};

// Index of the only layer that reads a value, or kNoLayer when there are several or the value is given back.
size_t OnlyReader(const Plan& plan, uint32_t value) {
  if (std::count(plan.outputs.begin(), plan.outputs.end(), value) != 0) return InputLayout::kNoLayer;
  size_t reader = InputLayout::kNoLayer;
  for (size_t i = 0; i < plan.layers.size(); i++) {
    const auto& inputs = plan.layers[i].inputs;
    if (std::count(inputs.begin(), inputs.end(), value) == 0) continue;
    if (reader != InputLayout::kNoLayer) return InputLayout::kNoLayer;
    reader = i;
  }
  return reader;
}

bool HasFixedRange(const Value& value) { return value.type == ValueType::kQS8 || value.type == ValueType::kQU8; }

}  // namespace

std::unique_ptr<InputLayout> InputLayout::Choose(const Plan& plan, bool unroll) {
  size_t layer = unroll ? OnlyReader(plan, plan.input) : kNoLayer;
  size_t convert = kNoLayer;
  if (layer != kNoLayer && plan.layers[layer].op == Op::kConvert) {
    convert = layer;
    layer = OnlyReader(plan, plan.layers[convert].output);
  }
  if (layer != kNoLayer && plan.layers[layer].op == Op::kConv2d && plan.layers[layer].kernel[1] > 1) {
    const size_t row_taps = plan.layers[layer].kernel[1] * plan.values[plan.input].shape[2];
    if (convert != kNoLayer && HasFixedRange(plan.values[plan.layers[convert].output]) &&
        row_taps <= PatchLayout::kMostTaps) {
      return std::make_unique<PatchLayout>(plan, convert, layer);
    }
    if (row_taps <= RowLayout::kMostTaps) return std::make_unique<RowLayout>(plan, layer);
  }
  return std::make_unique<PlainLayout>(plan);
}

}  // namespace neonsense::engine
