#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/plan.h"

namespace neonsense::engine {

// How an image lies in the graph's input.
//
// A stem convolution reads so few channels that fetching each tap costs more than its arithmetic. The image is copied
// in anyway, so where a convolution is its only reader, taps are laid side by side on the way:
//
// - rows, for floats: the taps of one kernel row, which are neighbours in the image. [H, W, C] becomes
//   [H, OW, KW * C], and the KHxKW convolution a KHx1 one with the same weights in the same order.
// - patches, where the image is converted to a fixed int8 or uint8 range first: that is done here too, and as bytes are
//   small, all taps of an output are laid side by side: [OH, OW, KH * KW * C], for a 1x1 convolution. Integer kernels
//   take 4 or 8 channels at a time, so one run of 27 wastes less than three of 9.
//
// Neither beside sparse kernels: XNNPACK reaches those only from a 3x3 convolution that reads 3 channels.
class InputLayout {
 public:
  InputLayout(const Plan& plan, bool unroll);

  // The convolution that reads taps laid side by side, or null.
  const Layer* unrolled() const { return unrolled_; }
  // What is left of that convolution's window: height, vertical stride, padding at top and bottom. All of its width is
  // in the channels.
  struct Window {
    uint32_t height, stride, top, bottom;
  };
  Window window() const { return window_; }
  // The conversion that is done while copying, or null. The graph has no such layer and not the value it reads.
  const Layer* converted() const { return converted_; }
  // The plan's value that the graph takes as its input.
  uint32_t graph_input() const { return graph_input_; }
  // Whether the plan's value lies in shape(): the graph's input, and what the unrolled layer reads.
  bool Covers(size_t value) const { return value == graph_input_ || value == unrolled_input_; }
  // [H, W, C] of the graph's input.
  const std::array<size_t, 3>& shape() const { return shape_; }
  // Bytes of the graph's input, and how many more may be overwritten behind them.
  size_t bytes() const;
  static constexpr size_t kSlackBytes = 64;

  // Lays out one image. `target` holds bytes() and kSlackBytes more.
  void Copy(const float* image, void* target);

 private:
  void UseRows(const Plan& plan, const Layer& layer);
  void UsePatches(const Plan& plan, const Layer& convert, const Layer& layer);
  void CopyRows(const float* image, float* target) const;
  void CopyPatches(const float* image, uint8_t* target);

  // Layers are only compared with, never followed, once the constructor is done: the plan is gone by then.
  const Layer* unrolled_ = nullptr;
  const Layer* converted_ = nullptr;
  uint32_t graph_input_;
  uint32_t unrolled_input_;
  std::array<size_t, 3> image_shape_;
  std::array<size_t, 3> shape_;
  Window window_{};
  size_t step_ = 0;      // elements from one column's first tap to the next one's
  size_t left_pad_ = 0;  // elements of padding before a row

  // For patches: the converted image with its padding, and how to convert.
  std::vector<uint8_t> padded_;
  size_t padded_row_ = 0;    // elements of one row
  size_t padded_start_ = 0;  // index of the image's first element
  size_t row_step_ = 0;      // elements from one output row's first tap to the next one's
  size_t kernel_rows_ = 0;
  size_t row_taps_ = 0;  // taps of one kernel row
  float inverse_scale_ = 0;
  float lowest_ = 0;  // smallest and largest code, less the zero point
  float highest_ = 0;
  int32_t zero_point_ = 0;
};

}  // namespace neonsense::engine
