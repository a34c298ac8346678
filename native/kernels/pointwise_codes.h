#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu_features.h"
#include "kernels/pointwise.h"

namespace neonsense::kernels {

// A 1x1 convolution of 8-bit integers with fixed ranges, [rows, in_channels] to [rows, out_channels]. All variants give
// the same codes, which are XNNPACK's: the sum in 32 bits becomes a float, is multiplied by its channel's scale and
// rounded to the nearest, ties to even.

// Numbers that belong to one output channel.
struct PointwiseCodesWeights {
  // [out_channels, in_channels], none of them -128: two products are added up in 16 bits.
  const int8_t* weights = nullptr;
  const int32_t* bias = nullptr;
  // Input scale * weight scale / output scale.
  const float* scales = nullptr;
};

// What a kernel reads and writes.
struct PointwiseCodesArguments {
  PointwiseShape shape;
  // As PackPointwiseCodes lays them out.
  const uint8_t* weights = nullptr;
  const int8_t* input = nullptr;
  int8_t* output = nullptr;
  int8_t output_zero_point = 0;
  int8_t output_min = -128;
  int8_t output_max = 127;
};

// One implementation.
struct PointwiseCodesVariant {
  // As profiles show it.
  const char* name;
  // Rows and output channels that are computed side by side. There must be at least so many rows.
  size_t rows;
  size_t channels;
  // Neighbouring input channels whose weights lie side by side. The number of input channels is a multiple.
  size_t together;
  bool (*runs_on)(const CpuFeatures& cpu);
  void (*run)(const PointwiseCodesArguments& arguments, const PointwisePart& part);

  // Whether the kernel is for it.
  bool Supports(const PointwiseShape& shape) const;
};

// Every variant of this architecture, the best one last. The first is the plain loop the others are tested against.
const std::vector<PointwiseCodesVariant>& PointwiseCodesVariants();

// The best one for this CPU; the plain loop where there is no other.
const PointwiseCodesVariant& ChoosePointwiseCodes(const CpuFeatures& cpu);

// Weights in the order they are read. For each `channels` output channels, zeros behind the last one:
//
// - int32 [channels]: biases, less what the input's zero point adds to the sum
// - float [channels]: scales
// - int8 [in_channels / together, channels, together]: weights
std::vector<uint8_t> PackPointwiseCodes(const PointwiseShape& shape, const PointwiseCodesVariant& variant,
                                        int8_t input_zero_point, const PointwiseCodesWeights& weights);

}  // namespace neonsense::kernels
