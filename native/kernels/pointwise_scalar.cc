#include "kernels/pointwise_variants.h"
#include "kernels/scalar_activation.h"

namespace neonsense::kernels {

void RunPointwiseScalar(const PointwiseArguments<float>& arguments, const PointwisePart& part) {
  const size_t in_channels = arguments.shape.in_channels;
  const size_t out_channels = arguments.shape.out_channels;
  for (size_t row = part.row_begin; row < part.row_end; row++) {
    const float* input = arguments.input + row * in_channels;
    for (size_t c = part.channel_begin; c < part.channel_end; c++) {
      const float* weights = arguments.weights + c * (1 + in_channels);
      float sum = weights[0];
      for (size_t i = 0; i < in_channels; i++) sum += input[i] * weights[1 + i];
      arguments.output[row * out_channels + c] = Activate(arguments.activation, sum);
    }
  }
}

}  // namespace neonsense::kernels
