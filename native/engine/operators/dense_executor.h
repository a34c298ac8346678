#pragma once

#include <memory>
#include <vector>

#include "engine/input/input_layout.h"
#include "engine/operators/memory.h"
#include "engine/operators/operator_executor.h"
#include "engine/operators/xnn_operators.h"
#include "engine/plan.h"
#include "engine/weights/packed_weights.h"

namespace neonsense::engine {

// A plan of floats, quantized at run time or not, or of signed bytes, on XNNPACK's operators and kernels of our own.
//
// XNNPACK's graph would do for XNNPACK's operators. It takes no others, and cut into graphs between them it would plan
// the memory of each alone.
class DenseExecutor : public OperatorExecutor {
 public:
  // Whether no value is of unsigned bytes.
  static bool Supports(const Plan& plan);

  // Whether a plan that it Supports wants its image as it is: the stem's kernel fetches taps from where they are.
  static bool TakesPlainImage(const Plan& plan);

  // Packs a validated plan that Supports(plan). Reads the image at `input`, laid out as `layout` says, and writes
  // `outputs`, in the plan's order; all have room for Memory::kSlackBytes more. Packs into `weights`. Measures each
  // operator with `profile`. Multiplies weights by their factors in place. Throws Error.
  DenseExecutor(const Plan& plan, const InputLayout& layout, void* input, const std::vector<float*>& outputs,
                PackedWeights& weights, pthreadpool_t pool, bool profile);

  Span<char> Scratch() override { return memory_.all(); }

 private:
  DenseExecutor(const Plan& plan, const std::vector<Step>& steps, const InputLayout& layout, void* input,
                const std::vector<float*>& outputs, PackedWeights& weights, pthreadpool_t pool, bool profile);
  std::unique_ptr<Operator> Make(const Plan& plan, const Step& step, const InputLayout& layout, bool is_last) const;

  Memory memory_;
  PackedWeights& weights_;
};

}  // namespace neonsense::engine
