#include "kernels/pointwise_codes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/pointwise_int8.h"
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
  return shape.rows >= rows && shape.in_channels % together == 0 && shape.in_channels <= kMostInt8Channels;
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
  const std::vector<PointwiseCodesVariant>& variants = PointwiseCodesVariants();
  return *std::find_if(variants.rbegin(), variants.rend(),
                       [&](const PointwiseCodesVariant& variant) { return variant.runs_on(cpu); });
}

std::vector<uint8_t> PackPointwiseCodes(const PointwiseShape& shape, const PointwiseCodesVariant& variant,
                                        int8_t input_zero_point, const PointwiseCodesWeights& weights) {
  const size_t channels = variant.channels;
  const size_t together = variant.together;
  const size_t panel_bytes = channels * (2 * 4 + shape.in_channels);
  std::vector<uint8_t> packed((shape.out_channels + channels - 1) / channels * panel_bytes);
  for (size_t c = 0; c < shape.out_channels; c++) {
    uint8_t* panel = packed.data() + c / channels * panel_bytes;
    const size_t lane = c % channels;
    const int8_t* row = weights.weights + c * shape.in_channels;
    // Sums wrap around in kernels too.
    uint32_t bias = static_cast<uint32_t>(weights.bias[c]);
    uint8_t* taps = panel + 2 * 4 * channels;
    for (size_t i = 0; i < shape.in_channels; i++) {
      bias -= static_cast<uint32_t>(row[i] * input_zero_point);
      taps[(i / together * channels + lane) * together + i % together] = static_cast<uint8_t>(row[i]);
    }
    std::memcpy(panel + lane * 4, &bias, 4);
    std::memcpy(panel + (channels + lane) * 4, &weights.scales[c], 4);
  }
  return packed;
}

}  // namespace neonsense::kernels
