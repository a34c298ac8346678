#pragma once

#include <vector>

#include "engine/plan.h"

namespace neonsense::engine::test {

// The plan's first output for one image, by the definition of each operator: plain loops in double, quantized values
// rounded to their grid after each layer.
std::vector<float> RunReference(const Plan& plan, const std::vector<float>& input);

}  // namespace neonsense::engine::test
