#include "kernels/depthwise_variants.h"
#include "kernels/scalar_activation.h"

namespace neonsense::kernels {
namespace {

// The sum of products at one place of the output, in one channel.
float Sum(const DepthwiseArguments<float>& arguments, size_t y, size_t x, size_t c) {
  const DepthwiseShape& shape = arguments.shape;
  const float* weights = arguments.weights + c * (1 + shape.kernel * shape.kernel);
  float sum = weights[0];
  for (size_t ky = 0; ky < shape.kernel; ky++) {
    for (size_t kx = 0; kx < shape.kernel; kx++) {
      // Beside the input these wrap around and are far too large.
      const size_t in_y = y * shape.stride + ky - shape.top;
      const size_t in_x = x * shape.stride + kx - shape.left;
      if (in_y >= shape.height || in_x >= shape.width) continue;
      sum += arguments.input[(in_y * shape.width + in_x) * shape.channels + c] * weights[1 + ky * shape.kernel + kx];
    }
  }
  return sum;
}

}  // namespace

void RunDepthwiseScalar(const DepthwiseArguments<float>& arguments, const DepthwisePart& part) {
  const DepthwiseShape& shape = arguments.shape;
  for (size_t y = part.row_begin; y < part.row_end; y++) {
    for (size_t c = part.channel_begin; c < part.channel_end; c++) {
      for (size_t x = 0; x < shape.out_width; x++) {
        arguments.output[(y * shape.out_width + x) * shape.channels + c] =
            Activate(arguments.activation, Sum(arguments, y, x, c));
      }
    }
  }
}

}  // namespace neonsense::kernels
