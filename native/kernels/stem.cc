#include "kernels/stem.h"

#include <algorithm>

#include "kernels/stem_variants.h"

namespace neonsense::kernels {
namespace {

// Whether `zeros` before the image and no more than one behind it give `out` positions.
bool FitsAxis(size_t length, size_t out, size_t zeros) {
  if (length == 0 || out == 0 || zeros > 1) return false;
  return (out - 1) * StemShape::kStride + StemShape::kKernel <= zeros + length + 1;
}

}  // namespace

bool StemShape::IsSupported() const {
  return out_channels > 0 && FitsAxis(height, out_height, top) && FitsAxis(width, out_width, left);
}

const std::vector<StemVariant>& StemVariants() {
  static const std::vector<StemVariant> variants = {
    {"scalar", 1, [](const CpuFeatures&) { return true; }, RunStemScalar},
#if defined(__x86_64__)
    {"AVX2", 8, [](const CpuFeatures& cpu) { return cpu.avx2_fma3; }, RunStemAvx2},
    {"AVX-512", 16, [](const CpuFeatures& cpu) { return cpu.avx512f; }, RunStemAvx512},
#endif
  };
  return variants;
}

const StemVariant& ChooseStem(const CpuFeatures& cpu) {
  const std::vector<StemVariant>& variants = StemVariants();
  return *std::find_if(variants.rbegin(), variants.rend(),
                       [&](const StemVariant& variant) { return variant.runs_on(cpu); });
}

}  // namespace neonsense::kernels
