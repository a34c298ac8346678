#pragma once

#include <vector>

#include "engine/plan.h"
#include "kernels/half.h"

namespace neonsense::engine {

// The f32 weights of `layer`, multiplied in place by their factors where there are any. Throws Error naming the layer
// where one of them is not finite.
const float* FoldWeightsInPlace(const Layer& layer);

// The f32 bias of `layer`. Throws Error naming the layer where one is not finite.
const float* FiniteBias(const Layer& layer);

// Numbers in the precision a kernel takes them.
template <typename Number>
std::vector<Number> RoundedTo(std::vector<float> numbers);
template <>
std::vector<float> RoundedTo(std::vector<float> numbers);
template <>
std::vector<kernels::Half> RoundedTo(std::vector<float> numbers);

}  // namespace neonsense::engine
