#include "kernels/depthwise_variants.h"
// Before the loops over it.
#include "kernels/int8_lanes_neon.h"

#include "kernels/depthwise_int8_tiles.h"

namespace neonsense::kernels {

void RunDepthwiseInt8Neon(const DepthwiseInt8Arguments& arguments, const DepthwisePart& part) {
  RunDepthwiseInt8(arguments, part);
}

}  // namespace neonsense::kernels
