#pragma once

#include "engine/handles.h"
#include "engine/input/input_layout.h"
#include "engine/plan.h"

namespace neonsense::engine {

// XNNPACK's ids of the values a Session feeds and reads.
inline constexpr uint32_t kInputId = 0;
inline constexpr uint32_t kFirstOutputId = 1;

// A subgraph and what it points to.
struct Graph {
  // XNNPACK keeps pointers to scales instead of copies.
  std::vector<std::vector<float>> bias_scales;
  // Depthwise weights in XNNPACK's order, as bytes.
  std::vector<std::vector<uint8_t>> depthwise_weights;
  SubgraphHandle subgraph;
};

// Builds the subgraph of a validated plan for a batch of one image, multiplying weights by their factors in place.
// Throws Error where a weight or bias is not finite. The input has id kInputId, the outputs follow from kFirstOutputId
// in the plan's order. Arrays of the plan must live until a runtime has been made from the subgraph.
Graph BuildGraph(const Plan& plan, const InputLayout& input);

}  // namespace neonsense::engine
