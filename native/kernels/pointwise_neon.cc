#include "kernels/pointwise_variants.h"
// Before the loops over it.
#include "kernels/vector_neon_single.h"

#include "kernels/pointwise_neon_tiles.h"

namespace neonsense::kernels {

void RunPointwiseNeon(const PointwiseArguments<float>& arguments, const PointwisePart& part) {
  PointwiseTiles<float>::Run(arguments, part);
}

}  // namespace neonsense::kernels
