#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/depthwise_int8.h"
#include "kernels/depthwise_variants.h"

namespace neonsense::kernels {
namespace {

template <typename T>
T ReadAt(const uint8_t* from, size_t index) {
  T number;
  std::memcpy(&number, from + index * sizeof(T), sizeof(T));
  return number;
}

// The code at one place of the output, in one channel.
int8_t Code(const DepthwiseInt8Arguments& arguments, size_t y, size_t x, size_t c) {
  const DepthwiseShape& shape = arguments.shape;
  const size_t kernel = shape.kernel;
  const uint8_t* group = arguments.weights + c * DepthwiseInt8GroupBytes(kernel, 1, 1);
  const auto* weights = reinterpret_cast<const int8_t*>(group + (2 + kernel) * 4);
  int32_t sum = ReadAt<int32_t>(group, 0);
  for (size_t ky = 0; ky < kernel; ky++) {
    for (size_t kx = 0; kx < kernel; kx++) {
      // Beside the input these wrap around and are far too large.
      const size_t in_y = y * shape.stride + ky - shape.top;
      const size_t in_x = x * shape.stride + kx - shape.left;
      if (in_y >= shape.height || in_x >= shape.width) continue;
      const int8_t code = arguments.input[(in_y * shape.width + in_x) * shape.channels + c];
      sum += (code - arguments.input_zero_point) * weights[ky * kernel + kx];
    }
  }
  const float scaled = static_cast<float>(sum) * ReadAt<float>(group, 1 + kernel);
  const auto zero_point = static_cast<float>(arguments.output_zero_point);
  const float least = static_cast<float>(arguments.output_min) - zero_point;
  const float most = static_cast<float>(arguments.output_max) - zero_point;
  return static_cast<int8_t>(std::lrintf(std::min(std::max(scaled, least), most)) + arguments.output_zero_point);
}

}  // namespace

void RunDepthwiseInt8Scalar(const DepthwiseInt8Arguments& arguments, const DepthwisePart& part) {
  const DepthwiseShape& shape = arguments.shape;
  for (size_t y = part.row_begin; y < part.row_end; y++) {
    for (size_t c = part.channel_begin; c < part.channel_end; c++) {
      for (size_t x = 0; x < shape.out_width; x++) {
        arguments.output[(y * shape.out_width + x) * shape.channels + c] = Code(arguments, y, x, c);
      }
    }
  }
}

}  // namespace neonsense::kernels
