#pragma once

#include "engine/plan.h"

namespace neonsense::engine {

// The f32 weights of `layer`, multiplied in place by their factors where there are any. Throws Error naming the layer
// where one of them is not finite.
const float* FoldWeightsInPlace(const Layer& layer);

// The f32 bias of `layer`. Throws Error naming the layer where one is not finite.
const float* FiniteBias(const Layer& layer);

}  // namespace neonsense::engine
