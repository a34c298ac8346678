#pragma once

#include <string>
#include <vector>

#include "engine/executor.h"
#include "engine/handles.h"
#include "engine/input/input_layout.h"
#include "engine/plan.h"
#include "engine/weights/packed_weights.h"

namespace neonsense::engine {

// Any valid plan, as a graph that XNNPACK fuses, plans the memory of and runs.
class SubgraphExecutor : public Executor {
 public:
  // Reads the image at `input`, laid out as `layout` says, and writes `outputs` in the plan's order; all have room for
  // XNN_EXTRA_BYTES more. Packs into `weights`. Multiplies weights by their factors in place. Throws Error.
  SubgraphExecutor(const Plan& plan, const InputLayout& layout, void* input, const std::vector<float*>& outputs,
                   PackedWeights& weights, pthreadpool_t pool, uint32_t flags);

  void Run() override;
  std::vector<OperatorTime> Profile() const override;

 private:
  RuntimeHandle runtime_;
  std::vector<std::string> layer_names_;
};

}  // namespace neonsense::engine
