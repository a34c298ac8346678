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

const std::vector<StemVariant<float>>& StemVariants() {
  static const std::vector<StemVariant<float>> variants = {
    {"scalar", 1, [](const CpuFeatures&) { return true; }, RunStemScalar},
#if defined(__aarch64__)
    {"NEON", 16, [](const CpuFeatures&) { return true; }, RunStemNeon},
#elif defined(__x86_64__)
    {"AVX2", 8, [](const CpuFeatures& cpu) { return cpu.avx2_fma3; }, RunStemAvx2},
    {"AVX-512", 16, [](const CpuFeatures& cpu) { return cpu.avx512f; }, RunStemAvx512},
#endif
  };
  return variants;
}

const StemVariant<float>& ChooseStem(const CpuFeatures& cpu) {
  const std::vector<StemVariant<float>>& variants = StemVariants();
  return *std::find_if(variants.rbegin(), variants.rend(),
                       [&](const StemVariant<float>& variant) { return variant.runs_on(cpu); });
}

const StemVariant<Half>* ChooseStemHalf(const CpuFeatures& cpu) {
#if defined(__aarch64__)
  static const StemVariant<Half> neon = {"NEON half precision", 16, [](const CpuFeatures& each) { return each.fp16; },
                                         RunStemNeonFp16};
  if (neon.runs_on(cpu)) return &neon;
#else
  static_cast<void>(cpu);
#endif
  return nullptr;
}

}  // namespace neonsense::kernels
