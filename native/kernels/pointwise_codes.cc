#include "kernels/pointwise_codes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/best_variant.h"
#include "kernels/int8_panels.h"
#include "kernels/pointwise_int8_variants.h"

namespace neonsense::kernels {
namespace {

void RunScalar(const PointwiseCodesArguments& arguments, const PointwisePart& part) {
  const size_t in_channels = arguments.shape.in_channels;
  const auto zero_point = static_cast<float>(arguments.output_zero_point);
  const float least = static_cast<float>(arguments.output_min) - zero_point;
  const float most = static_cast<float>(arguments.output_max) - zero_point;
  for (size_t row = part.row_begin; row < part.row_end; row++) {
    const int8_t* input = arguments.input + row * in_channels;
    for (size_t c = part.channel_begin; c < part.channel_end; c++) {
      const uint8_t* weights = arguments.weights + c * (2 * 4 + in_channels);
      int32_t sum;
      float scale;
      std::memcpy(&sum, weights, 4);
      std::memcpy(&scale, weights + 4, 4);
      for (size_t i = 0; i < in_channels; i++) sum += input[i] * static_cast<int8_t>(weights[8 + i]);
      const float scaled = std::min(std::max(static_cast<float>(sum) * scale, least), most);
      arguments.output[row * arguments.shape.out_channels + c] =
          static_cast<int8_t>(std::lrintf(scaled) + arguments.output_zero_point);
    }
  }
}

}  // namespace

bool PointwiseCodesVariant::Supports(const PointwiseShape& shape) const {
  return FitsInt8Kernel(shape, rows, together);
}

const std::vector<PointwiseCodesVariant>& PointwiseCodesVariants() {
  static const std::vector<PointwiseCodesVariant> variants = {
    {"scalar", 1, 1, 1, [](const CpuFeatures&) { return true; }, RunScalar},
#if defined(__aarch64__)
    // XNNPACK's own are faster with dot products.
    {"NEON", 7, 4, 2, [](const CpuFeatures& cpu) { return !cpu.dotprod; }, RunPointwiseCodesNeon},
#endif
  };
  return variants;
}

const PointwiseCodesVariant& ChoosePointwiseCodes(const CpuFeatures& cpu) {
  return BestVariant(PointwiseCodesVariants(), cpu);
}

std::vector<uint8_t> PackPointwiseCodes(const PointwiseShape& shape, const PointwiseCodesVariant& variant,
                                        int8_t input_zero_point, const PointwiseCodesWeights& weights) {
  Int8Panels panels(shape, variant.channels, variant.together, 2);
  for (size_t c = 0; c < shape.out_channels; c++) {
    const int8_t* row = weights.weights + c * shape.in_channels;
    // Sums wrap around in kernels too.
    uint32_t bias = static_cast<uint32_t>(weights.bias[c]);
    for (size_t i = 0; i < shape.in_channels; i++) bias -= static_cast<uint32_t>(row[i] * input_zero_point);
    panels.PutNumber(c, 0, bias);
    panels.PutNumber(c, 1, weights.scales[c]);
    panels.PutWeights(c, row);
  }
  return panels.Take();
}

}  // namespace neonsense::kernels
