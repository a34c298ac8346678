#include "kernels/pointwise_int8.h"

#include <algorithm>
#include <cstring>

#include "kernels/pointwise_int8_variants.h"

namespace neonsense::kernels {

bool PointwiseInt8Variant::Supports(const PointwiseShape& shape) const {
  return shape.rows >= rows && shape.in_channels % together == 0 && shape.in_channels <= kMostInt8Channels;
}

const std::vector<PointwiseInt8Variant>& PointwiseInt8Variants() {
  static const std::vector<PointwiseInt8Variant> variants = {
    {"scalar", 1, 1, 1, [](const CpuFeatures&) { return true; }, RunPointwiseInt8Scalar},
#if defined(__aarch64__)
    // XNNPACK's own are faster with dot products.
    {"NEON", 7, 4, 2, [](const CpuFeatures& cpu) { return !cpu.dotprod; }, RunPointwiseInt8Neon,
     /*takes_smallest=*/false},
#elif defined(__x86_64__)
    {"AVX2", 6, 16, 2, [](const CpuFeatures& cpu) { return cpu.avx2_fma3; }, RunPointwiseInt8Avx2},
    {"AVX-VNNI", 6, 16, 4, [](const CpuFeatures& cpu) { return cpu.avxvnni; }, RunPointwiseInt8AvxVnni},
    {"AVX-512 VNNI", 7, 32, 4, [](const CpuFeatures& cpu) { return cpu.avx512vnni; }, RunPointwiseInt8Avx512Vnni},
#endif
  };
  return variants;
}

const PointwiseInt8Variant& ChoosePointwiseInt8(const CpuFeatures& cpu) {
  const std::vector<PointwiseInt8Variant>& variants = PointwiseInt8Variants();
  return *std::find_if(variants.rbegin(), variants.rend(),
                       [&](const PointwiseInt8Variant& variant) { return variant.runs_on(cpu); });
}

std::vector<uint8_t> PackPointwiseInt8(const PointwiseShape& shape, const PointwiseInt8Variant& variant,
                                       const PointwiseInt8Weights& weights) {
  const size_t channels = variant.channels;
  const size_t together = variant.together;
  const size_t panel_bytes = channels * (3 * 4 + shape.in_channels);
  std::vector<uint8_t> packed((shape.out_channels + channels - 1) / channels * panel_bytes);
  for (size_t c = 0; c < shape.out_channels; c++) {
    uint8_t* panel = packed.data() + c / channels * panel_bytes;
    const size_t lane = c % channels;
    const int8_t* row = weights.weights + c * shape.in_channels;
    int32_t sum = 0;
    uint8_t* taps = panel + 3 * 4 * channels;
    for (size_t i = 0; i < shape.in_channels; i++) {
      sum += row[i];
      taps[(i / together * channels + lane) * together + i % together] = static_cast<uint8_t>(row[i]);
    }
    const auto put = [&](size_t row_of_numbers, const auto& number) {
      std::memcpy(panel + (row_of_numbers * channels + lane) * 4, &number, 4);
    };
    put(0, sum);
    put(1, weights.scales[c]);
    put(2, weights.bias[c]);
  }
  return packed;
}

}  // namespace neonsense::kernels
