#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/plan.h"

namespace neonsense::engine {

// A layer, or several, that one operator runs.
struct Step {
  const Layer* layer = nullptr;
  // Applied on the way; none where null.
  const Layer* activation = nullptr;

  const std::vector<uint32_t>& inputs() const { return layer->inputs; }
  uint32_t output() const { return activation == nullptr ? layer->output : activation->output; }
  // Element by element, so the output may lie where the input does.
  bool works_in_place() const { return layer->op == Op::kHardSwish; }
};

// Every layer by itself.
std::vector<Step> SingleSteps(const Plan& plan);

// Hard-swish joins the layer whose result nobody but it reads, where `takes_activation` allows it and the layer clamps
// nothing.
std::vector<Step> FusedSteps(const Plan& plan, bool (*takes_activation)(const Plan&, const Layer&));

}  // namespace neonsense::engine
