#include "kernels/scalar_activation.h"
#include "kernels/stem_variants.h"

namespace neonsense::kernels {
namespace {

// The sum of products at one place of the output, in one channel.
float Sum(const StemArguments<float>& arguments, size_t y, size_t x, size_t c) {
  const StemShape& shape = arguments.shape;
  const float* weight = arguments.weights + c * (1 + StemShape::kTaps);
  float sum = *weight++;
  for (size_t ky = 0; ky < StemShape::kKernel; ky++) {
    for (size_t kx = 0; kx < StemShape::kKernel; kx++) {
      for (size_t i = 0; i < StemShape::kChannels; i++, weight++) {
        // Beside the image these wrap around and are far too large.
        const size_t in_y = y * StemShape::kStride + ky - shape.top;
        const size_t in_x = x * StemShape::kStride + kx - shape.left;
        if (in_y >= shape.height || in_x >= shape.width) continue;
        sum += arguments.input[(in_y * shape.width + in_x) * StemShape::kChannels + i] * *weight;
      }
    }
  }
  return sum;
}

}  // namespace

void RunStemScalar(const StemArguments<float>& arguments, size_t begin, size_t end) {
  const StemShape& shape = arguments.shape;
  float* output = arguments.output + begin * shape.out_width * shape.out_channels;
  for (size_t y = begin; y < end; y++) {
    for (size_t x = 0; x < shape.out_width; x++) {
      for (size_t c = 0; c < shape.out_channels; c++)
        *output++ = Activate(arguments.activation, Sum(arguments, y, x, c));
    }
  }
}

}  // namespace neonsense::kernels
