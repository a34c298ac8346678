#pragma once

#include "engine/plan.h"

namespace neonsense::engine {

// A validated plan with its floats as halves. Image and outputs stay floats, and are converted where they need to be.
Plan InHalfPrecision(const Plan& plan);

}  // namespace neonsense::engine
