#include "engine/input_layout.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace neonsense::engine {
namespace {

// Longest run of taps that is copied as one block of constant length: a few vector moves. What it writes too much, the
// next block overwrites.
constexpr size_t kRunBytes = InputLayout::kSlackBytes;
constexpr size_t kRunFloats = kRunBytes / sizeof(float);
constexpr size_t kPatchRunBytes = 16;

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

bool HasFixedRange(const Value& value) { return value.type == ValueType::kQS8 || value.type == ValueType::kQU8; }

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

InputLayout::InputLayout(const Plan& plan, bool unroll)
    : graph_input_(plan.input),
      unrolled_input_(plan.input),
      image_shape_(plan.values[plan.input].shape),
      shape_(image_shape_) {
  if (!unroll) return;
  const Layer* layer = OnlyReader(plan, plan.input);
  const Layer* convert = nullptr;
  if (layer != nullptr && layer->op == Op::kConvert) {
    convert = layer;
    layer = OnlyReader(plan, convert->output);
  }
  if (layer == nullptr || layer->op != Op::kConv2d || layer->kernel[1] == 1) return;
  const size_t row_taps = layer->kernel[1] * image_shape_[2];
  if (convert != nullptr && HasFixedRange(plan.values[convert->output]) && row_taps <= kPatchRunBytes) {
    UsePatches(plan, *convert, *layer);
  } else if (row_taps <= kRunFloats) {
    // Zeros beside the image stay zeros where a conversion follows.
    UseRows(plan, *layer);
  }
}

size_t InputLayout::bytes() const {
  return shape_[0] * shape_[1] * shape_[2] * (converted_ != nullptr ? 1 : sizeof(float));
}

void InputLayout::Copy(const float* image, void* target) {
  if (converted_ != nullptr) {
    CopyPatches(image, static_cast<uint8_t*>(target));
  } else if (unrolled_ != nullptr) {
    CopyRows(image, static_cast<float*>(target));
  } else {
    std::memcpy(target, image, bytes());
  }
}

void InputLayout::UseRows(const Plan& plan, const Layer& layer) {
  unrolled_ = &layer;
  unrolled_input_ = layer.inputs[0];
  const size_t channels = image_shape_[2];
  shape_ = {image_shape_[0], plan.values[layer.output].shape[1], layer.kernel[1] * channels};
  window_ = {layer.kernel[0], layer.stride[0], layer.padding[0], layer.padding[2]};
  step_ = layer.stride[1] * channels;
  left_pad_ = layer.padding[3] * channels;
}

void InputLayout::CopyRows(const float* image, float* target) const {
  const auto [rows, columns, taps] = shape_;
  const size_t row_size = image_shape_[1] * image_shape_[2];
  const size_t image_size = image_shape_[0] * row_size;
  for (size_t y = 0; y < rows; y++) {
    const float* row = image + y * row_size;
    for (size_t x = 0; x < columns; x++, target += taps) {
      const size_t begin = x * step_;  // in the row with its padding
      if (begin >= left_pad_ && begin - left_pad_ + taps <= row_size &&
          y * row_size + begin - left_pad_ + kRunFloats <= image_size) {
        std::memcpy(target, row + begin - left_pad_, kRunBytes);
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

void InputLayout::UsePatches(const Plan& plan, const Layer& convert, const Layer& layer) {
  unrolled_ = &layer;
  converted_ = &convert;
  graph_input_ = unrolled_input_ = convert.output;
  const auto [height, width, channels] = image_shape_;
  const Value& output = plan.values[layer.output];
  kernel_rows_ = layer.kernel[0];
  row_taps_ = layer.kernel[1] * channels;
  shape_ = {output.shape[0], output.shape[1], kernel_rows_ * row_taps_};
  window_ = {1, 1, 0, 0};
  step_ = layer.stride[1] * channels;

  const Value& range = plan.values[convert.output];
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
  padded_.assign((top + height + bottom) * padded_row_ + kPatchRunBytes, static_cast<uint8_t>(zero_point_));
}

void InputLayout::CopyPatches(const float* image, uint8_t* target) {
  const size_t row_size = image_shape_[1] * image_shape_[2];
  for (size_t y = 0; y < image_shape_[0]; y++) {
    const float* row = image + y * row_size;
    uint8_t* converted = padded_.data() + padded_start_ + y * padded_row_;
    for (size_t i = 0; i < row_size; i++) {
      // Comparisons in this order turn NaN into the lowest code.
      float scaled = row[i] * inverse_scale_;
      scaled = scaled > lowest_ ? scaled : lowest_;
      scaled = scaled < highest_ ? scaled : highest_;
      converted[i] = static_cast<uint8_t>(RoundToInt(scaled) + zero_point_);
    }
  }
  for (size_t y = 0; y < shape_[0]; y++) {
    for (size_t x = 0; x < shape_[1]; x++) {
      const uint8_t* taps = padded_.data() + y * row_step_ + x * step_;
      for (size_t k = 0; k < kernel_rows_; k++, taps += padded_row_, target += row_taps_) {
        std::memcpy(target, taps, kPatchRunBytes);
      }
    }
  }
}

}  // namespace neonsense::engine
