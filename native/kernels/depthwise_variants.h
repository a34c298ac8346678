#pragma once

#include "kernels/depthwise.h"

// Each is defined in a file of its own, compiled for what it needs.
namespace neonsense::kernels {

void RunDepthwiseScalar(const DepthwiseArguments& arguments, const DepthwisePart& part);
void RunDepthwiseNeon(const DepthwiseArguments& arguments, const DepthwisePart& part);
void RunDepthwiseSse(const DepthwiseArguments& arguments, const DepthwisePart& part);
void RunDepthwiseAvx2(const DepthwiseArguments& arguments, const DepthwisePart& part);
void RunDepthwiseAvx512(const DepthwiseArguments& arguments, const DepthwisePart& part);

}  // namespace neonsense::kernels
