#include "kernels/depthwise_variants.h"
// Before the loops over it.
#include "kernels/vector_sse.h"

#include "kernels/depthwise_tiles.h"

namespace neonsense::kernels {

void RunDepthwiseSse(const DepthwiseArguments<float>& arguments, const DepthwisePart& part) {
  RunDepthwise(arguments, part);
}

}  // namespace neonsense::kernels
