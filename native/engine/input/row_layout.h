#pragma once

#include "engine/input/input_layout.h"

namespace neonsense::engine {

// For floats: the taps of one kernel row, which are neighbours in the image, lie side by side. [H, W, C] becomes
// [H, OW, KW * C], and the KHxKW convolution a KHx1 one with the same weights in the same order. Zeros beside the image
// stay zeros where a conversion follows.
class RowLayout : public InputLayout {
 public:
  // Longest row of taps this is made for.
  static constexpr size_t kMostTaps = kSlackBytes / sizeof(float);

  RowLayout(const Plan& plan, size_t layer);
  void Copy(const float* image, void* target) override;

 private:
  size_t row_size_;    // elements of an image's row
  size_t image_size_;  // elements of an image
  size_t step_;        // elements from one column's first tap to the next one's
  size_t left_pad_;    // elements of padding before a row
};

}  // namespace neonsense::engine
