#include "kernels/stem_variants.h"
// Before the loops over it.
#include "kernels/vector_avx512.h"

#include "kernels/stem_tiles.h"

namespace neonsense::kernels {

void RunStemAvx512(const StemArguments<float>& arguments, size_t begin, size_t end) {
  StemTiles<Vector::Number>::Run(arguments, begin, end);
}

}  // namespace neonsense::kernels
