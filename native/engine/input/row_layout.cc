#include "engine/input/row_layout.h"

#include <cstring>

namespace neonsense::engine {

RowLayout::RowLayout(const Plan& plan, size_t index) : InputLayout(plan) {
  const Layer& layer = plan.layers[index];
  const auto [height, width, channels] = plan.values[plan.input].shape;
  unrolled_ = index;
  unrolled_input_ = layer.inputs[0];
  shape_ = {height, plan.values[layer.output].shape[1], layer.kernel[1] * channels};
  window_ = {layer.kernel[0], layer.stride[0], layer.padding[0], layer.padding[2]};
  row_size_ = width * channels;
  image_size_ = height * row_size_;
  step_ = layer.stride[1] * channels;
  left_pad_ = layer.padding[3] * channels;
}

void RowLayout::Copy(const float* image, void* to) {
  float* target = static_cast<float*>(to);
  const auto [rows, columns, taps] = shape_;
  for (size_t y = 0; y < rows; y++) {
    const float* row = image + y * row_size_;
    for (size_t x = 0; x < columns; x++, target += taps) {
      const size_t begin = x * step_;  // in the row with its padding
      if (begin >= left_pad_ && begin - left_pad_ + taps <= row_size_ &&
          y * row_size_ + begin - left_pad_ + kMostTaps <= image_size_) {
        // A block of constant length: a few vector moves. What it writes too much, the next block overwrites.
        std::memcpy(target, row + begin - left_pad_, kMostTaps * sizeof(float));
        continue;
      }
      for (size_t i = 0; i < taps; i++) {
        const size_t position = begin + i;
        const bool inside = position >= left_pad_ && position - left_pad_ < row_size_;
        target[i] = inside ? row[position - left_pad_] : 0.0f;
      }
    }
  }
}

}  // namespace neonsense::engine
