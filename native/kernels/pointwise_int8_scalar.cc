#include <cmath>
#include <cstring>

#include "kernels/pointwise_int8_variants.h"
#include "kernels/scalar_activation.h"

namespace neonsense::kernels {

void RunPointwiseInt8Scalar(const PointwiseInt8Arguments& arguments, const PointwisePart& part) {
  const size_t in_channels = arguments.shape.in_channels;
  for (size_t row = part.row_begin; row < part.row_end; row++) {
    const int8_t* input = arguments.input + row * in_channels;
    for (size_t c = part.channel_begin; c < part.channel_end; c++) {
      const uint8_t* weights = arguments.weights + c * (3 * 4 + in_channels);
      int32_t sum_of_weights = 0;
      float scale = 0;
      float bias = 0;
      std::memcpy(&sum_of_weights, weights, 4);
      std::memcpy(&scale, weights + 4, 4);
      std::memcpy(&bias, weights + 8, 4);
      int32_t sum = -arguments.zero_point * sum_of_weights;
      for (size_t i = 0; i < in_channels; i++) sum += input[i] * static_cast<int8_t>(weights[12 + i]);
      const float number = std::fma(static_cast<float>(sum) * arguments.scale, scale, bias);
      arguments.output[row * arguments.shape.out_channels + c] = Activate(arguments.activation, number);
    }
  }
}

}  // namespace neonsense::kernels
