#pragma once

#include <cstddef>
#include <vector>

#include "kernels/activation.h"
#include "kernels/cpu_features.h"
#include "kernels/half.h"

namespace neonsense::kernels {

// A 1x1 convolution of floats or halves, [rows, in_channels] to [rows, out_channels]: a row is a pixel.
struct PointwiseShape {
  size_t rows = 0;
  size_t in_channels = 0;
  size_t out_channels = 0;
};

// Which part of the output is computed: rows and channels from `begin` on, up to `end`.
struct PointwisePart {
  size_t row_begin = 0;
  // At least the variant's `rows` behind the beginning.
  size_t row_end = 0;
  // A multiple of the variant's `channels`.
  size_t channel_begin = 0;
  size_t channel_end = 0;
};

// What a kernel reads and writes. `Number` is float or Half.
template <typename Number>
struct PointwiseArguments {
  PointwiseShape shape;
  Activation activation;
  // PackChannels of [out_channels, in_channels] for the variant's `channels`.
  const Number* weights = nullptr;
  const Number* input = nullptr;
  Number* output = nullptr;
};

// One implementation.
template <typename Number>
struct PointwiseVariant {
  // As profiles show it.
  const char* name;
  // Rows and output channels that are computed side by side. There must be at least so many rows.
  size_t rows;
  size_t channels;
  bool (*runs_on)(const CpuFeatures& cpu);
  void (*run)(const PointwiseArguments<Number>& arguments, const PointwisePart& part);
};

// Every variant of this architecture, the best one last. The first is the plain loop the others are tested against.
const std::vector<PointwiseVariant<float>>& PointwiseVariants();

// The best one for this CPU; the plain loop where there is no other.
const PointwiseVariant<float>& ChoosePointwise(const CpuFeatures& cpu);

// That of halves; null on a CPU without arithmetic on them.
const PointwiseVariant<Half>* ChoosePointwiseHalf(const CpuFeatures& cpu);

}  // namespace neonsense::kernels
