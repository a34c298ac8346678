#pragma once

#include <cstddef>
#include <vector>

#include "kernels/activation.h"
#include "kernels/cpu_features.h"
#include "kernels/half.h"

namespace neonsense::kernels {

// The first convolution of an image network: 3x3, stride 2, from three channels of floats to floats or halves,
// [H, W, 3] to [OH, OW, C].
struct StemShape {
  static constexpr size_t kKernel = 3;
  static constexpr size_t kStride = 2;
  static constexpr size_t kChannels = 3;
  static constexpr size_t kTaps = kKernel * kKernel * kChannels;

  size_t height = 0;
  size_t width = 0;
  size_t out_height = 0;
  size_t out_width = 0;
  size_t out_channels = 0;
  // Zeros above and left of the image, at most one. Of those below and to the right there are as many as the output
  // needs, at most one too.
  size_t top = 0;
  size_t left = 0;

  // Whether there are kernels for it.
  bool IsSupported() const;
};

// What a kernel reads and writes. `Number` is float or Half.
template <typename Number>
struct StemArguments {
  StemShape shape;
  Activation activation;
  // PackChannels of [C, 3, 3, 3] for the variant's lanes.
  const Number* weights = nullptr;
  const float* input = nullptr;
  Number* output = nullptr;
};

// One implementation.
template <typename Number>
struct StemVariant {
  // As profiles show it.
  const char* name;
  // Output channels that are computed side by side.
  size_t lanes;
  bool (*runs_on)(const CpuFeatures& cpu);
  // Rows of the output from `begin` on, up to `end`.
  void (*run)(const StemArguments<Number>& arguments, size_t begin, size_t end);
};

// Every variant of this architecture, the best one last. The first is the plain loop the others are tested against.
const std::vector<StemVariant<float>>& StemVariants();

// The best one for this CPU; the plain loop where there is no other.
const StemVariant<float>& ChooseStem(const CpuFeatures& cpu);

// That of halves; null on a CPU without arithmetic on them.
const StemVariant<Half>* ChooseStemHalf(const CpuFeatures& cpu);

}  // namespace neonsense::kernels
