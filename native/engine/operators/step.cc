#include "engine/operators/step.h"

#include <algorithm>
#include <cmath>

namespace neonsense::engine {
namespace {

// The layers that read each value.
std::vector<std::vector<const Layer*>> ReadersOf(const Plan& plan) {
  std::vector<std::vector<const Layer*>> readers(plan.values.size());
  for (const Layer& layer : plan.layers) {
    for (uint32_t input : layer.inputs) readers[input].push_back(&layer);
  }
  return readers;
}

}  // namespace

std::vector<Step> SingleSteps(const Plan& plan) {
  std::vector<Step> steps;
  for (const Layer& layer : plan.layers) steps.push_back({&layer, nullptr});
  return steps;
}

std::vector<Step> FusedSteps(const Plan& plan, bool (*takes_activation)(const Plan&, const Layer&)) {
  const auto readers = ReadersOf(plan);
  std::vector<Step> steps;
  std::vector<const Layer*> fused;
  for (const Layer& layer : plan.layers) {
    if (std::count(fused.begin(), fused.end(), &layer) != 0) continue;
    Step step = {&layer, nullptr};
    const bool is_output = std::count(plan.outputs.begin(), plan.outputs.end(), layer.output) != 0;
    if (layer.has_weights() && std::isinf(layer.min) && std::isinf(layer.max) && !is_output &&
        readers[layer.output].size() == 1 && readers[layer.output][0]->op == Op::kHardSwish &&
        takes_activation(plan, layer)) {
      step.activation = readers[layer.output][0];
      fused.push_back(step.activation);
    }
    steps.push_back(step);
  }
  return steps;
}

}  // namespace neonsense::engine
