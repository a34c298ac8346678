#include "engine/input/patch_layout.h"

#include <cstring>
#include <limits>

namespace neonsense::engine {
namespace {

// To the nearest integer, ties to even, for |value| < 2^22: adding 1.5 * 2^23 leaves a float no bits below one. A loop
// over this is vectorized on every CPU; one over nearbyint only where the CPU is known to have such an instruction.
int32_t RoundToInt(float value) {
  constexpr float kMagic = 12582912.0f;
  const float shifted = value + kMagic;
  int32_t bits, magic_bits;
  std::memcpy(&bits, &shifted, sizeof(bits));
  std::memcpy(&magic_bits, &kMagic, sizeof(magic_bits));
  return bits - magic_bits;
}

}  // namespace

PatchLayout::PatchLayout(const Plan& plan, size_t convert, size_t index) : InputLayout(plan) {
  const Layer& layer = plan.layers[index];
  const auto [height, width, channels] = plan.values[plan.input].shape;
  unrolled_ = index;
  converted_ = convert;
  graph_input_ = unrolled_input_ = plan.layers[convert].output;
  element_bytes_ = 1;
  rows_ = height;
  row_size_ = width * channels;
  kernel_rows_ = layer.kernel[0];
  row_taps_ = layer.kernel[1] * channels;
  const Value& output = plan.values[layer.output];
  shape_ = {output.shape[0], output.shape[1], kernel_rows_ * row_taps_};
  window_ = {1, 1, 0, 0};
  step_ = layer.stride[1] * channels;

  const Value& range = plan.values[graph_input_];
  const bool is_signed = range.type == ValueType::kQS8;
  inverse_scale_ = 1.0f / range.scale;
  zero_point_ = range.zero_point;
  lowest_ = static_cast<float>((is_signed ? std::numeric_limits<int8_t>::min() : 0) - zero_point_);
  highest_ = lowest_ + 255.0f;

  const auto [top, right, bottom, left] = layer.padding;
  padded_row_ = (left + width + right) * channels;
  padded_start_ = top * padded_row_ + left * channels;
  row_step_ = layer.stride[0] * padded_row_;
  // Beside the image lies what stands for zero. The last blocks copied reach past the end.
  padded_.assign((top + height + bottom) * padded_row_ + kMostTaps, static_cast<uint8_t>(zero_point_));
}

void PatchLayout::Convert(const float* image) {
  for (size_t y = 0; y < rows_; y++) {
    const float* row = image + y * row_size_;
    uint8_t* converted = padded_.data() + padded_start_ + y * padded_row_;
    for (size_t i = 0; i < row_size_; i++) {
      // Comparisons in this order turn NaN into the lowest code.
      float scaled = row[i] * inverse_scale_;
      scaled = scaled > lowest_ ? scaled : lowest_;
      scaled = scaled < highest_ ? scaled : highest_;
      converted[i] = static_cast<uint8_t>(RoundToInt(scaled) + zero_point_);
    }
  }
}

void PatchLayout::Copy(const float* image, void* to) {
  Convert(image);
  uint8_t* target = static_cast<uint8_t*>(to);
  for (size_t y = 0; y < shape_[0]; y++) {
    for (size_t x = 0; x < shape_[1]; x++) {
      const uint8_t* taps = padded_.data() + y * row_step_ + x * step_;
      for (size_t k = 0; k < kernel_rows_; k++, taps += padded_row_, target += row_taps_) {
        // A block of constant length; what it writes too much, the next one overwrites.
        std::memcpy(target, taps, kMostTaps);
      }
    }
  }
}

}  // namespace neonsense::engine
