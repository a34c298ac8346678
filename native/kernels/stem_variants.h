#pragma once

#include "kernels/stem.h"

// Each is defined in a file of its own, compiled for what it needs.
namespace neonsense::kernels {

void RunStemScalar(const StemArguments& arguments, size_t begin, size_t end);
void RunStemAvx2(const StemArguments& arguments, size_t begin, size_t end);
void RunStemAvx512(const StemArguments& arguments, size_t begin, size_t end);

}  // namespace neonsense::kernels
