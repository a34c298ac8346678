#include "kernels/pointwise_variants.h"
// Before the loops over it.
#include "kernels/vector_avx2.h"

#include "kernels/pointwise_tiles.h"

namespace neonsense::kernels {

void RunPointwiseAvx2(const PointwiseArguments<float>& arguments, const PointwisePart& part) {
  PointwiseTiles<Vector::Number>::Run(arguments, part);
}

}  // namespace neonsense::kernels
