#pragma once

#include "kernels/depthwise.h"
#include "kernels/depthwise_int8.h"

// Each is defined in a file of its own, compiled for what it needs.
namespace neonsense::kernels {

void RunDepthwiseScalar(const DepthwiseArguments<float>& arguments, const DepthwisePart& part);
void RunDepthwiseNeon(const DepthwiseArguments<float>& arguments, const DepthwisePart& part);
void RunDepthwiseNeonFp16(const DepthwiseArguments<Half>& arguments, const DepthwisePart& part);
void RunDepthwiseSse(const DepthwiseArguments<float>& arguments, const DepthwisePart& part);
void RunDepthwiseAvx2(const DepthwiseArguments<float>& arguments, const DepthwisePart& part);
void RunDepthwiseAvx512(const DepthwiseArguments<float>& arguments, const DepthwisePart& part);

void RunDepthwiseInt8Scalar(const DepthwiseInt8Arguments& arguments, const DepthwisePart& part);
void RunDepthwiseInt8Neon(const DepthwiseInt8Arguments& arguments, const DepthwisePart& part);
void RunDepthwiseInt8Avx2(const DepthwiseInt8Arguments& arguments, const DepthwisePart& part);

}  // namespace neonsense::kernels
