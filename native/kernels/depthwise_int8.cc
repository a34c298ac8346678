#include "kernels/depthwise_int8.h"

#include <cstring>

#include "kernels/best_variant.h"
#include "kernels/depthwise_variants.h"

namespace neonsense::kernels {

const std::vector<DepthwiseInt8Variant>& DepthwiseInt8Variants() {
  static const std::vector<DepthwiseInt8Variant> variants = {
    {"scalar", 1, 1, [](const CpuFeatures&) { return true; }, RunDepthwiseInt8Scalar},
#if defined(__aarch64__)
    {"NEON", 8, 1, [](const CpuFeatures&) { return true; }, RunDepthwiseInt8Neon},
#elif defined(__x86_64__)
    {"AVX2", 8, 2, [](const CpuFeatures& cpu) { return cpu.avx2_fma3; }, RunDepthwiseInt8Avx2},
#endif
  };
  return variants;
}

const DepthwiseInt8Variant& ChooseDepthwiseInt8(const CpuFeatures& cpu) {
  return BestVariant(DepthwiseInt8Variants(), cpu);
}

std::vector<uint8_t> PackDepthwiseInt8(const DepthwiseShape& shape, const DepthwiseInt8Variant& variant,
                                       int8_t input_zero_point, const Int8Channels& channels) {
  const size_t kernel = shape.kernel;
  const size_t lanes = variant.lanes;
  const size_t together = variant.taps_together;
  const size_t group_bytes = DepthwiseInt8GroupBytes(kernel, lanes, together);
  std::vector<uint8_t> packed((shape.channels + lanes - 1) / lanes * group_bytes);
  for (size_t c = 0; c < shape.channels; c++) {
    uint8_t* group = packed.data() + c / lanes * group_bytes;
    const size_t lane = c % lanes;
    const auto put = [&](size_t row, const auto& number) {
      std::memcpy(group + (row * lanes + lane) * sizeof(number), &number, sizeof(number));
    };
    put(0, channels.bias[c]);
    put(1 + kernel, channels.scales[c]);
    uint8_t* taps = group + (2 + kernel) * lanes * 4;
    for (size_t ky = 0; ky < kernel; ky++) {
      int32_t sum = 0;
      for (size_t kx = 0; kx < kernel; kx++) {
        const int8_t weight = channels.weights[(c * kernel + ky) * kernel + kx];
        sum += weight;
        const size_t pair = ky * ((kernel + together - 1) / together) + kx / together;
        taps[(pair * lanes + lane) * together + kx % together] = static_cast<uint8_t>(weight);
      }
      put(1 + ky, int32_t{input_zero_point} * sum);
    }
  }
  return packed;
}

}  // namespace neonsense::kernels
