#include "kernels/pointwise_variants.h"
// Before the loops over it.
#include "kernels/vector_neon_fp16.h"

#include "kernels/pointwise_neon_tiles.h"

namespace neonsense::kernels {

void RunPointwiseNeonFp16(const PointwiseArguments<Half>& arguments, const PointwisePart& part) {
  PointwiseTiles<Half>::Run(arguments, part);
}

}  // namespace neonsense::kernels
