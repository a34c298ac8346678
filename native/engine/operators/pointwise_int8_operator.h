#pragma once

#include <memory>

#include "engine/operators/memory.h"
#include "engine/operators/operator.h"
#include "engine/operators/step.h"
#include "engine/plan.h"
#include "engine/weights/packed_weights.h"

namespace neonsense::engine {

// Whether native/kernels/ has a kernel for a layer as a 1x1 convolution of bytes that are quantized at run time. It
// computes hard-swish on the way.
bool HasPointwiseInt8Kernel(const Plan& plan, const Layer& layer);

// Whether only its weights keep a layer from it, which a plan whose weights are packed does not show.
bool LacksPointwiseInt8KernelForItsWeights(const Plan& plan, const Layer& layer);

// Our own 1x1 convolution for a step whose layer HasPointwiseInt8Kernel, with its activation. Packs into `weights`.
// `flags` are pthreadpool's. Throws Error.
std::unique_ptr<Operator> MakePointwiseInt8(const Plan& plan, const Step& step, const Place& input, const Place& output,
                                            PackedWeights& weights, uint32_t flags);

}  // namespace neonsense::engine
