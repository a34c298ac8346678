#pragma once

#include <memory>

#include "engine/operators/memory.h"
#include "engine/operators/operator.h"
#include "engine/operators/step.h"
#include "engine/plan.h"
#include "engine/weights/packed_weights.h"

namespace neonsense::engine {

// Whether native/kernels/ has a kernel for a layer as the first convolution of the network. It reads floats, also where
// it gives halves, and computes hard-swish on the way.
bool HasStemKernel(const Plan& plan, const Layer& layer);

// Our own convolution for a step whose layer HasStemKernel, with its activation. Packs into `weights`. Multiplies
// weights by their factors in place. `flags` are pthreadpool's. Throws Error.
std::unique_ptr<Operator> MakeStem(const Plan& plan, const Step& step, const Place& input, const Place& output,
                                   PackedWeights& weights, uint32_t flags);

}  // namespace neonsense::engine
