#pragma once

#include <memory>

#include "engine/operators/memory.h"
#include "engine/operators/operator.h"
#include "engine/plan.h"
#include "engine/weights/packed_weights.h"

namespace neonsense::engine {

// Whether native/kernels/ has a kernel for a layer as a 1x1 convolution of signed bytes with fixed ranges.
bool HasPointwiseCodesKernel(const Plan& plan, const Layer& layer);

// Whether only its weights keep a layer from it, which a plan whose weights are packed does not show.
bool LacksPointwiseCodesKernelForItsWeights(const Plan& plan, const Layer& layer);

// Our own 1x1 convolution for a layer that HasPointwiseCodesKernel. Packs into `weights`. `flags` are pthreadpool's.
// Throws Error.
std::unique_ptr<Operator> MakePointwiseCodes(const Plan& plan, const Layer& layer, const Place& input,
                                             const Place& output, PackedWeights& weights, uint32_t flags);

}  // namespace neonsense::engine
