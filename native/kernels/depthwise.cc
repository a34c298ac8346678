#include "kernels/depthwise.h"

#include "kernels/best_variant.h"
#include "kernels/depthwise_variants.h"
#include "kernels/packing.h"
#include "kernels/window.h"

namespace neonsense::kernels {

bool DepthwiseShape::IsSupported() const {
  return (kernel == 3 || kernel == 5) && (stride == 1 || stride == 2) && channels > 0 &&
         FitsWindow(kernel, stride, height, out_height, top) && FitsWindow(kernel, stride, width, out_width, left);
}

const std::vector<DepthwiseVariant<float>>& DepthwiseVariants() {
  static const std::vector<DepthwiseVariant<float>> variants = {
    {"scalar", 1, [](const CpuFeatures&) { return true; }, RunDepthwiseScalar},
#if defined(__aarch64__)
    {"NEON", 8, [](const CpuFeatures&) { return true; }, RunDepthwiseNeon},
#elif defined(__x86_64__)
    {"SSE2", 4, [](const CpuFeatures&) { return true; }, RunDepthwiseSse},
    {"AVX2", 8, [](const CpuFeatures& cpu) { return cpu.avx2_fma3; }, RunDepthwiseAvx2},
    {"AVX-512", 16, [](const CpuFeatures& cpu) { return cpu.avx512f; }, RunDepthwiseAvx512},
#endif
  };
  return variants;
}

const DepthwiseVariant<float>& ChooseDepthwise(const CpuFeatures& cpu) { return BestVariant(DepthwiseVariants(), cpu); }

const DepthwiseVariant<Half>* ChooseDepthwiseHalf(const CpuFeatures& cpu) {
#if defined(__aarch64__)
  static const DepthwiseVariant<Half> neon = {"NEON half precision", 8,
                                              [](const CpuFeatures& each) { return each.fp16; }, RunDepthwiseNeonFp16};
  if (neon.runs_on(cpu)) return &neon;
#else
  static_cast<void>(cpu);
#endif
  return nullptr;
}

std::vector<float> PackDepthwiseWeights(const DepthwiseShape& shape, size_t lanes, const float* weights,
                                        const float* bias) {
  return PackChannels(shape.channels, shape.kernel * shape.kernel, lanes, weights, bias);
}

}  // namespace neonsense::kernels
