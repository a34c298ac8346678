#pragma once

#include "kernels/stem.h"

// Each is defined in a file of its own, compiled for what it needs.
namespace neonsense::kernels {

void RunStemScalar(const StemArguments<float>& arguments, size_t begin, size_t end);
void RunStemNeon(const StemArguments<float>& arguments, size_t begin, size_t end);
void RunStemNeonFp16(const StemArguments<Half>& arguments, size_t begin, size_t end);
void RunStemAvx2(const StemArguments<float>& arguments, size_t begin, size_t end);
void RunStemAvx512(const StemArguments<float>& arguments, size_t begin, size_t end);

}  // namespace neonsense::kernels
