#pragma once

#include <string>
#include <vector>

#include "engine/operators/memory.h"
#include "engine/operators/step.h"
#include "engine/plan.h"
#include "kernels/activation.h"
#include "kernels/pointwise.h"

// What our own kernels are told of a layer.
namespace neonsense::engine {

// Whether each pixel of a convolution's output comes of one pixel of its input, and its shape then.
bool IsPointwise(const Layer& layer);
kernels::PointwiseShape PointwiseShapeOf(const Plan& plan, const Layer& layer);

// Whether a weight is -128, which does not fit where two products are added up in 16 bits.
bool HasSmallestWeight(const Layer& layer);

// Of bytes with fixed ranges: input scale * weight scale / output scale of each output channel.
std::vector<float> OutputScales(const Layer& layer, const Place& input, const Place& output);

// What a step applies to its layer's sums.
kernels::Activation ActivationOf(const Step& step);

// As profiles show it.
std::string KernelName(const std::string& layer, const kernels::Activation& activation, const char* variant);

}  // namespace neonsense::engine
