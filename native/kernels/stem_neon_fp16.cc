#include "kernels/stem_variants.h"
// Before the loops over it.
#include "kernels/vector_neon_fp16.h"

#include "kernels/stem_neon_tiles.h"

namespace neonsense::kernels {

void RunStemNeonFp16(const StemArguments<Half>& arguments, size_t begin, size_t end) {
  StemTiles<Half>::Run(arguments, begin, end);
}

}  // namespace neonsense::kernels
