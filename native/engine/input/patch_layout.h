#pragma once

#include <vector>

#include "engine/input/input_layout.h"

namespace neonsense::engine {

// Where the image is converted to a fixed int8 or uint8 range first: that is done here too, and as bytes are small, all
// taps of an output are laid side by side: [OH, OW, KH * KW * C], for a 1x1 convolution. Integer kernels take 4 or 8
// channels at a time, so one run of 27 wastes less than three of 9.
class PatchLayout : public InputLayout {
 public:
  // Longest row of taps this is made for.
  static constexpr size_t kMostTaps = 16;

  // `convert` and `layer` are indices: the conversion and the convolution behind it.
  PatchLayout(const Plan& plan, size_t convert, size_t layer);
  void Copy(const float* image, void* target) override;

 private:
  void Convert(const float* image);

  size_t rows_;      // of the image
  size_t row_size_;  // elements of an image's row
  // The converted image with its padding.
  std::vector<uint8_t> padded_;
  size_t padded_row_;    // elements of one row
  size_t padded_start_;  // index of the image's first element
  size_t row_step_;      // elements from one output row's first tap to the next one's
  size_t step_;          // elements from one column's first tap to the next one's
  size_t kernel_rows_;
  size_t row_taps_;  // taps of one kernel row
  float inverse_scale_;
  float lowest_;  // smallest and largest code, less the zero point
  float highest_;
  int32_t zero_point_;
};

}  // namespace neonsense::engine
