#include "kernels/pointwise_int8_variants.h"
// Before the loops over it.
#include "kernels/dot_avxvnni.h"

#include "kernels/pointwise_int8_tiles.h"

namespace neonsense::kernels {

void RunPointwiseInt8AvxVnni(const PointwiseInt8Arguments& arguments, const PointwisePart& part) {
  PointwiseInt8Tiles<Dot>::Run(arguments, part);
}

}  // namespace neonsense::kernels
