#include "kernels/stem_variants.h"
// Before the loops over it.
#include "kernels/vector_neon_single.h"

#include "kernels/stem_neon_tiles.h"

namespace neonsense::kernels {

void RunStemNeon(const StemArguments<float>& arguments, size_t begin, size_t end) {
  StemTiles<float>::Run(arguments, begin, end);
}

}  // namespace neonsense::kernels
