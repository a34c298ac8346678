#include "kernels/pointwise.h"

#include "kernels/best_variant.h"
#include "kernels/pointwise_variants.h"

namespace neonsense::kernels {

const std::vector<PointwiseVariant<float>>& PointwiseVariants() {
  static const std::vector<PointwiseVariant<float>> variants = {
    {"scalar", 1, 1, [](const CpuFeatures&) { return true; }, RunPointwiseScalar},
#if defined(__aarch64__)
    {"NEON", 7, 12, [](const CpuFeatures&) { return true; }, RunPointwiseNeon},
#elif defined(__x86_64__)
    {"AVX2", 6, 16, [](const CpuFeatures& cpu) { return cpu.avx2_fma3; }, RunPointwiseAvx2},
    {"AVX-512", 7, 32, [](const CpuFeatures& cpu) { return cpu.avx512f; }, RunPointwiseAvx512},
#endif
  };
  return variants;
}

const PointwiseVariant<float>& ChoosePointwise(const CpuFeatures& cpu) { return BestVariant(PointwiseVariants(), cpu); }

const PointwiseVariant<Half>* ChoosePointwiseHalf(const CpuFeatures& cpu) {
#if defined(__aarch64__)
  static const PointwiseVariant<Half> neon = {"NEON half precision", 7, 24,
                                              [](const CpuFeatures& each) { return each.fp16; }, RunPointwiseNeonFp16};
  if (neon.runs_on(cpu)) return &neon;
#else
  static_cast<void>(cpu);
#endif
  return nullptr;
}

}  // namespace neonsense::kernels
