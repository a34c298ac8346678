#pragma once

#include <cstddef>
#include <vector>

#include "kernels/activation.h"
#include "kernels/cpu_features.h"

namespace neonsense::kernels {

// The first convolution of an image network: floats, 3x3, stride 2, from three channels, [H, W, 3] to [OH, OW, C].
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

// What a kernel reads and writes.
struct StemArguments {
  StemShape shape;
  Activation activation;
  // PackChannels of [C, 3, 3, 3] for the variant's lanes.
  const float* weights = nullptr;
  const float* input = nullptr;
  float* output = nullptr;
};

// One implementation.
struct StemVariant {
  // As profiles show it.
  const char* name;
  // Output channels that are computed side by side.
  size_t lanes;
  bool (*runs_on)(const CpuFeatures& cpu);
  // Rows of the output from `begin` on, up to `end`.
  void (*run)(const StemArguments& arguments, size_t begin, size_t end);
};

// Every variant of this architecture, the best one last. The first is the plain loop the others are tested against.
const std::vector<StemVariant>& StemVariants();

// The best one for this CPU; the plain loop where there is no other.
const StemVariant& ChooseStem(const CpuFeatures& cpu);

}  // namespace neonsense::kernels
