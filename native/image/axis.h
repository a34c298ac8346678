#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "image/preprocessing.h"

namespace neonsense::image {

// One axis of what is looked at: `pixels` of the picture from `first` on, and which of them are seen: as if they were
// resized to `resized`, positions `from` to `from + seen`.
struct Span {
  uint32_t first = 0;
  uint32_t pixels = 0;
  uint64_t resized = 0;
  uint64_t from = 0;
  uint32_t seen = 0;
};

// Cells of equal length that begin and end anywhere in a sample; an average of each is exact.
struct AreaAxis {
  // Samples each cell touches first and last, and the share of each that lies in it: in (0, 1], the last one's 0 where
  // it is the first.
  std::vector<uint32_t> first, last;
  std::vector<double> first_share, last_share;
  // Samples in a cell.
  double cell = 0;
  // All shares are whole multiples of a part of a sample: of which `parts` make a sample and `cell_parts` a cell.
  uint64_t parts = 1, cell_parts = 1;

  size_t size() const { return first.size(); }
};

// `cells` over what is seen of a span. A sample covers `pixels_per_sample` pixels: 2 for chroma of half the resolution,
// of which the last one may stick out. Boundaries are found in whole numbers, so a cell that ends on a sample's edge
// takes nothing of the next one.
void MakeAreaAxis(const Span& span, uint32_t cells, uint32_t pixels_per_sample, AreaAxis* axis);
// One cell for each pixel of the span.
void MakePixelAxis(const Span& span, uint32_t pixels_per_sample, AreaAxis* axis);

// output[i] = (1 - share[i]) * source[low[i]] + share[i] * source[high[i]]
struct BilinearAxis {
  std::vector<uint32_t> low, high;
  std::vector<float> share;

  size_t size() const { return low.size(); }
};

// Half-pixel centres without antialiasing: what PyTorch's interpolate(mode='bilinear', align_corners=False) computes.
// There the scale is float32, and the coordinates found with it are not. Positions count from the span's first pixel.
void MakeBilinearAxis(uint32_t source, uint64_t resized, uint64_t from, uint32_t count, BilinearAxis* axis);

// Weights of PIL's antialiased filters for 8-bit pixels, in fixed point.
struct FilterAxis {
  static constexpr int kWeightBits = 22;

  // weights[i * taps + k] belongs to source position first[i] + k. Rows of weights are padded with zeros to `taps`, an
  // even number, but first[i] + count[i] never exceeds the source.
  std::vector<uint32_t> first, count;
  std::vector<int32_t> weights;
  size_t taps = 0;

  size_t size() const { return first.size(); }
};

void MakeFilterAxis(const Span& span, Interpolation interpolation, FilterAxis* axis);

}  // namespace neonsense::image
