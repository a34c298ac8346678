#pragma once

#include "kernels/pointwise.h"

// Each is defined in a file of its own, compiled for what it needs.
namespace neonsense::kernels {

void RunPointwiseScalar(const PointwiseArguments<float>& arguments, const PointwisePart& part);
void RunPointwiseNeon(const PointwiseArguments<float>& arguments, const PointwisePart& part);
void RunPointwiseAvx2(const PointwiseArguments<float>& arguments, const PointwisePart& part);
void RunPointwiseAvx512(const PointwiseArguments<float>& arguments, const PointwisePart& part);
void RunPointwiseNeonFp16(const PointwiseArguments<Half>& arguments, const PointwisePart& part);

}  // namespace neonsense::kernels
