#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/activation.h"
#include "kernels/cpu_features.h"
#include "kernels/pointwise.h"

namespace neonsense::kernels {

// A 1x1 convolution of 8-bit integers whose range is found at run time, to floats: [rows, in_channels] to
// [rows, out_channels]. All variants give XNNPACK's numbers: the sum in 32 bits becomes a float, is multiplied by the
// input's scale, then by its channel's, and the bias is added to that product unrounded. Hard-swish comes after that.

// Weights of such a layer.
struct PointwiseInt8Weights {
  // [out_channels, in_channels]
  const int8_t* weights = nullptr;
  const float* scales = nullptr;
  const float* bias = nullptr;
};

// What a kernel reads and writes.
struct PointwiseInt8Arguments {
  PointwiseShape shape;
  Activation activation;
  // As PackPointwiseInt8 lays them out.
  const uint8_t* weights = nullptr;
  const int8_t* input = nullptr;
  float* output = nullptr;
  // Of the input: x = scale * (q - zero_point).
  float scale = 0;
  int32_t zero_point = 0;
};

// One implementation.
struct PointwiseInt8Variant {
  // As profiles show it.
  const char* name;
  // Rows and output channels that are computed side by side. There must be at least so many rows.
  size_t rows;
  size_t channels;
  // Neighbouring input channels whose weights lie side by side. The number of input channels is a multiple.
  size_t together;
  bool (*runs_on)(const CpuFeatures& cpu);
  void (*run)(const PointwiseInt8Arguments& arguments, const PointwisePart& part);
  // Whether a weight may be -128. Not where two products are added up in 16 bits.
  bool takes_smallest = true;

  // Whether the kernel is for it.
  bool Supports(const PointwiseShape& shape) const;
};

// Most input channels: kernels keep some rows of them on the stack.
inline constexpr size_t kMostInt8Channels = 1024;

// Every variant of this architecture, the best one last. The first is the plain loop the others are tested against.
const std::vector<PointwiseInt8Variant>& PointwiseInt8Variants();

// The best one for this CPU; the plain loop where there is no other.
const PointwiseInt8Variant& ChoosePointwiseInt8(const CpuFeatures& cpu);

// Weights in the order they are read. For each `channels` output channels, zeros behind the last one:
//
// - int32 [channels]: the sums of their weights
// - float [channels]: scales
// - float [channels]: biases
// - int8 [in_channels / together, channels, together]: weights
std::vector<uint8_t> PackPointwiseInt8(const PointwiseShape& shape, const PointwiseInt8Variant& variant,
                                       const PointwiseInt8Weights& weights);

}  // namespace neonsense::kernels
