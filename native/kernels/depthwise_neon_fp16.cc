#include "kernels/depthwise_variants.h"
// Before the loops over it.
#include "kernels/vector_neon_fp16.h"

#include "kernels/depthwise_tiles.h"

namespace neonsense::kernels {

void RunDepthwiseNeonFp16(const DepthwiseArguments<Half>& arguments, const DepthwisePart& part) {
  RunDepthwise(arguments, part);
}

}  // namespace neonsense::kernels
