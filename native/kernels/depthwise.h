#pragma once

#include <cstddef>
#include <vector>

#include "kernels/activation.h"
#include "kernels/cpu_features.h"
#include "kernels/half.h"

namespace neonsense::kernels {

// A depthwise convolution of floats or halves, [H, W, C] to [OH, OW, C].
struct DepthwiseShape {
  // Side of the kernel, 3 or 5.
  size_t kernel = 3;
  // 1 or 2
  size_t stride = 1;
  size_t height = 0;
  size_t width = 0;
  size_t channels = 0;
  size_t out_height = 0;
  size_t out_width = 0;
  // Zeros above and left of the input. Of those below and to the right there are as many as the output needs. On no
  // side more than kernel / 2.
  size_t top = 0;
  size_t left = 0;

  // Whether there are kernels for it.
  bool IsSupported() const;
};

// Which part of the output is computed: rows and channels from `begin` on, up to `end`.
struct DepthwisePart {
  size_t row_begin = 0;
  size_t row_end = 0;
  // A multiple of the variant's lanes.
  size_t channel_begin = 0;
  size_t channel_end = 0;
};

// What a kernel reads and writes. `Number` is float or Half.
template <typename Number>
struct DepthwiseArguments {
  DepthwiseShape shape;
  Activation activation;
  // For each `lanes` channels their biases, then their weights, [K, K, lanes]; zeros behind the last channel.
  const Number* weights = nullptr;
  // Behind the end kReadSlack numbers may be read.
  const Number* input = nullptr;
  Number* output = nullptr;
};

// One implementation.
template <typename Number>
struct DepthwiseVariant {
  // As profiles show it.
  const char* name;
  // Channels that are computed side by side.
  size_t lanes;
  bool (*runs_on)(const CpuFeatures& cpu);
  void (*run)(const DepthwiseArguments<Number>& arguments, const DepthwisePart& part);
};

// How many numbers behind its input a variant may read.
inline constexpr size_t kReadSlack = 16;

// Every variant of this architecture, the best one last. The first is the plain loop the others are tested against.
const std::vector<DepthwiseVariant<float>>& DepthwiseVariants();

// The best one for this CPU.
const DepthwiseVariant<float>& ChooseDepthwise(const CpuFeatures& cpu);

// That of halves; null on a CPU without arithmetic on them.
const DepthwiseVariant<Half>* ChooseDepthwiseHalf(const CpuFeatures& cpu);

// [C, K, K] and a bias for each channel, as DepthwiseArguments::weights has them.
std::vector<float> PackDepthwiseWeights(const DepthwiseShape& shape, size_t lanes, const float* weights,
                                        const float* bias);

}  // namespace neonsense::kernels
