#pragma once

#include <memory>

#include "engine/operators/memory.h"
#include "engine/operators/operator.h"
#include "engine/plan.h"

namespace neonsense::engine {

// Whether a layer multiplies each channel of a picture of floats by a number, as squeeze-and-excitation does.
bool IsScale(const Plan& plan, const Layer& layer);

// A layer that IsScale. XNNPACK's shares single pixels among threads, which takes longer than multiplying them. `flags`
// are pthreadpool's.
std::unique_ptr<Operator> MakeScale(const Plan& plan, const Layer& layer, const Place& input, const Place& factors,
                                    const Place& output, uint32_t flags);

}  // namespace neonsense::engine
