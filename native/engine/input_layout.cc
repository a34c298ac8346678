#include "engine/input_layout.h"

#include <algorithm>
#include <cstring>

namespace neonsense::engine {
namespace {

// The only layer that reads a value, or null when there are several or the value is given back.
const Layer* OnlyReader(const Plan& plan, uint32_t value) {
  if (std::count(plan.outputs.begin(), plan.outputs.end(), value) != 0) return nullptr;
  const Layer* reader = nullptr;
  for (const Layer& layer : plan.layers) {
    if (std::count(layer.inputs.begin(), layer.inputs.end(), value) == 0) continue;
    if (reader != nullptr) return nullptr;
    reader = &layer;
  }
  return reader;
}

}  // namespace

InputLayout::InputLayout(const Plan& plan, bool unroll)
    : input_(plan.input),
      unrolled_input_(plan.input),
      image_shape_(plan.values[plan.input].shape),
      shape_(image_shape_) {
  if (!unroll) return;
  const Layer* layer = OnlyReader(plan, plan.input);
  // Zeros beside the image stay zeros in every type.
  if (layer != nullptr && layer->op == Op::kConvert) layer = OnlyReader(plan, layer->output);
  if (layer == nullptr || layer->op != Op::kConv2d || layer->kernel[1] == 1) return;
  const size_t channels = image_shape_[2];
  const size_t taps = layer->kernel[1] * channels;
  if (taps > kSlack) return;
  unrolled_ = layer;
  unrolled_input_ = layer->inputs[0];
  shape_ = {image_shape_[0], plan.values[layer->output].shape[1], taps};
  step_ = layer->stride[1] * channels;
  left_pad_ = layer->padding[3] * channels;
}

void InputLayout::Copy(const float* image, float* target) const {
  if (unrolled_ == nullptr) {
    std::memcpy(target, image, size() * sizeof(float));
    return;
  }
  const auto [rows, columns, taps] = shape_;
  const size_t row_size = image_shape_[1] * image_shape_[2];
  const size_t image_size = image_shape_[0] * row_size;
  for (size_t y = 0; y < rows; y++) {
    const float* row = image + y * row_size;
    for (size_t x = 0; x < columns; x++, target += taps) {
      const size_t begin = x * step_;  // in the row with its padding
      if (begin >= left_pad_ && begin - left_pad_ + taps <= row_size &&
          y * row_size + begin - left_pad_ + kSlack <= image_size) {
        // A copy of constant length is a few vector moves; what it writes too much, the next column overwrites.
        std::memcpy(target, row + begin - left_pad_, kSlack * sizeof(float));
        continue;
      }
      for (size_t i = 0; i < taps; i++) {
        const size_t position = begin + i;
        const bool inside = position >= left_pad_ && position - left_pad_ < row_size;
        target[i] = inside ? row[position - left_pad_] : 0.0f;
      }
    }
  }
}

}  // namespace neonsense::engine
