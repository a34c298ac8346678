#include "kernels/pointwise_int8.h"

#include <numeric>

#include "kernels/best_variant.h"
#include "kernels/int8_panels.h"
#include "kernels/pointwise_int8_variants.h"

namespace neonsense::kernels {

bool PointwiseInt8Variant::Supports(const PointwiseShape& shape) const { return FitsInt8Kernel(shape, rows, together); }

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
  return BestVariant(PointwiseInt8Variants(), cpu);
}

std::vector<uint8_t> PackPointwiseInt8(const PointwiseShape& shape, const PointwiseInt8Variant& variant,
                                       const PointwiseInt8Weights& weights) {
  Int8Panels panels(shape, variant.channels, variant.together, 3);
  for (size_t c = 0; c < shape.out_channels; c++) {
    const int8_t* row = weights.weights + c * shape.in_channels;
    panels.PutNumber(c, 0, std::accumulate(row, row + shape.in_channels, int32_t{0}));
    panels.PutNumber(c, 1, weights.scales[c]);
    panels.PutNumber(c, 2, weights.bias[c]);
    panels.PutWeights(c, row);
  }
  return panels.Take();
}

}  // namespace neonsense::kernels
