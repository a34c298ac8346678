#pragma once

#include "kernels/pointwise_codes.h"
#include "kernels/pointwise_int8.h"

// Each is defined in a file of its own, compiled for what it needs.
namespace neonsense::kernels {

void RunPointwiseInt8Scalar(const PointwiseInt8Arguments& arguments, const PointwisePart& part);
void RunPointwiseInt8Neon(const PointwiseInt8Arguments& arguments, const PointwisePart& part);
void RunPointwiseInt8Avx2(const PointwiseInt8Arguments& arguments, const PointwisePart& part);
void RunPointwiseInt8AvxVnni(const PointwiseInt8Arguments& arguments, const PointwisePart& part);
void RunPointwiseInt8Avx512Vnni(const PointwiseInt8Arguments& arguments, const PointwisePart& part);

void RunPointwiseCodesNeon(const PointwiseCodesArguments& arguments, const PointwisePart& part);

}  // namespace neonsense::kernels
