#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/pointwise_int8.h"

namespace neonsense::kernels {

// Whether a kernel is for a shape that computes `rows` rows side by side, of `together` neighbouring input channels.
inline bool FitsInt8Kernel(const PointwiseShape& shape, size_t rows, size_t together) {
  return shape.rows >= rows && shape.in_channels % together == 0 && shape.in_channels <= kMostInt8Channels;
}

// Weights of a 1x1 convolution of bytes in the order kernels read them. For each `channels` output channels, zeros
// behind the last one: some rows of numbers of four bytes, [channels], then the weights,
// [in_channels / together, channels, together].
class Int8Panels {
 public:
  Int8Panels(const PointwiseShape& shape, size_t channels, size_t together, size_t rows_of_numbers)
      : in_channels_(shape.in_channels),
        channels_(channels),
        together_(together),
        numbers_bytes_(rows_of_numbers * channels * 4),
        packed_((shape.out_channels + channels - 1) / channels * PanelBytes()) {}

  // A number of output channel `c`.
  template <typename Number>
  void PutNumber(size_t c, size_t row, Number number) {
    static_assert(sizeof(number) == 4);
    std::memcpy(Panel(c) + (row * channels_ + c % channels_) * 4, &number, 4);
  }

  // [in_channels]
  void PutWeights(size_t c, const int8_t* weights) {
    uint8_t* const panel = Panel(c) + numbers_bytes_;
    for (size_t i = 0; i < in_channels_; i++) {
      panel[(i / together_ * channels_ + c % channels_) * together_ + i % together_] = static_cast<uint8_t>(weights[i]);
    }
  }

  std::vector<uint8_t> Take() { return std::move(packed_); }

 private:
  size_t PanelBytes() const { return numbers_bytes_ + channels_ * in_channels_; }
  uint8_t* Panel(size_t c) { return packed_.data() + c / channels_ * PanelBytes(); }

  size_t in_channels_;
  size_t channels_;
  size_t together_;
  size_t numbers_bytes_;
  std::vector<uint8_t> packed_;
};

}  // namespace neonsense::kernels
