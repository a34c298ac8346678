#pragma once

#include <array>
#include <cstddef>

#include "engine/plan.h"

namespace neonsense::engine {

// How an image lies in the graph's input.
//
// A stem convolution reads so few channels that fetching each tap costs more than its arithmetic. Where a convolution is
// the only reader of the plan's input, as floats or converted to another type, the taps of one kernel row, which are neighbours in the image, are
// laid side by side while the image is copied in anyway: [H, W, C] becomes [H, OW, KW * C], and the KHxKW convolution
// a KHx1 one with the same weights in the same order. Not beside sparse kernels: XNNPACK reaches those only from a 3x3
// convolution that reads 3 channels.
class InputLayout {
 public:
  InputLayout(const Plan& plan, bool unroll);

  // The layer whose kernel width has become channels, or null.
  const Layer* unrolled() const { return unrolled_; }
  // Whether the plan's value lies in shape(): its input, and what the unrolled layer reads.
  bool Covers(size_t value) const { return value == input_ || value == unrolled_input_; }
  // [H, W, C] of the graph's input.
  const std::array<size_t, 3>& shape() const { return shape_; }
  size_t size() const { return shape_[0] * shape_[1] * shape_[2]; }

  // Lays out one image. `target` holds size() floats and kSlack more, which may be overwritten.
  void Copy(const float* image, float* target) const;
  static constexpr size_t kSlack = 16;

 private:
  // Only compared with, never followed: the plan is gone once the session is built.
  const Layer* unrolled_ = nullptr;
  size_t input_;
  size_t unrolled_input_;
  std::array<size_t, 3> image_shape_;
  std::array<size_t, 3> shape_;
  size_t step_ = 0;      // floats from one column's first tap to the next one's
  size_t left_pad_ = 0;  // floats of zeros before a row
};

}  // namespace neonsense::engine
