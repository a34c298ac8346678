#include "kernels/stem.h"

#include "kernels/best_variant.h"
#include "kernels/stem_variants.h"
#include "kernels/window.h"

namespace neonsense::kernels {

bool StemShape::IsSupported() const {
  return out_channels > 0 && FitsWindow(kKernel, kStride, height, out_height, top) &&
         FitsWindow(kKernel, kStride, width, out_width, left);
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

const StemVariant<float>& ChooseStem(const CpuFeatures& cpu) { return BestVariant(StemVariants(), cpu); }

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
