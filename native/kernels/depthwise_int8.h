#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu_features.h"
#include "kernels/depthwise.h"

namespace neonsense::kernels {

// A depthwise convolution of 8-bit integers with fixed ranges. All variants give the same codes, which are XNNPACK's:
// the sum in 32 bits becomes a float, is multiplied by its channel's scale and rounded to the nearest, ties to even.

// Numbers that belong to one output channel.
struct Int8Channels {
  // [C, K, K], none of them -128: two products are added up in 16 bits.
  const int8_t* weights = nullptr;
  const int32_t* bias = nullptr;
  // Input scale * weight scale / output scale.
  const float* scales = nullptr;
};

// What a kernel reads and writes.
struct DepthwiseInt8Arguments {
  DepthwiseShape shape;
  // As PackDepthwiseInt8 lays them out.
  const uint8_t* weights = nullptr;
  // Behind the end kReadSlack bytes may be read.
  const int8_t* input = nullptr;
  int8_t* output = nullptr;
  int8_t input_zero_point = 0;
  int8_t output_zero_point = 0;
  int8_t output_min = -128;
  int8_t output_max = 127;
};

// One implementation.
struct DepthwiseInt8Variant {
  // As profiles show it.
  const char* name;
  // Channels that are computed side by side.
  size_t lanes;
  // Neighbouring taps of a kernel's row whose weights lie side by side, 1 or 2.
  size_t taps_together;
  bool (*runs_on)(const CpuFeatures& cpu);
  void (*run)(const DepthwiseInt8Arguments& arguments, const DepthwisePart& part);
};

// Every variant of this architecture, the best one last. The first is the plain loop the others are tested against.
const std::vector<DepthwiseInt8Variant>& DepthwiseInt8Variants();

// The best one for this CPU; the plain loop where there is no other.
const DepthwiseInt8Variant& ChooseDepthwiseInt8(const CpuFeatures& cpu);

// Weights in the order they are read. For each `lanes` channels, zeros behind the last one:
//
// - int32 [lanes]: biases
// - int32 [K, lanes]: for each row of the kernel what the input's zero point adds to the sum, to be taken from it
// - float [lanes]: scales
// - int8 [K, ceil(K / taps_together), lanes, taps_together]: weights
std::vector<uint8_t> PackDepthwiseInt8(const DepthwiseShape& shape, const DepthwiseInt8Variant& variant,
                                       int8_t input_zero_point, const Int8Channels& channels);

// Bytes of one such group.
constexpr size_t DepthwiseInt8GroupBytes(size_t kernel, size_t lanes, size_t taps_together) {
  return lanes * ((2 + kernel) * 4 + kernel * ((kernel + taps_together - 1) / taps_together) * taps_together);
}

}  // namespace neonsense::kernels
