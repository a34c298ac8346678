#pragma once

#include <memory>
#include <vector>

#include "engine/operators/memory.h"
#include "engine/operators/operator_executor.h"
#include "engine/operators/xnn_operators.h"
#include "engine/plan.h"

namespace neonsense::engine {

// A float plan whose 1x1 convolutions run on XNNPACK's sparse kernels, which skip the zeros.
//
// Those kernels want planes, [C, H, W], so everything from the first convolution on is kept in planes; layers whose
// values are single pixels, where both layouts are the same, use dense kernels. XNNPACK's graph can do such a rewrite
// itself (XNN_FLAG_HINT_SPARSE_INFERENCE), but at the pinned version a mean over planes declares its output as
// [1, 1, H] instead of [1, 1, C] and is given too little memory. Hence single operators, run one after the other.
class SparseExecutor : public OperatorExecutor {
 public:
  // True for plans this class can run, with more than two thirds of their 1x1 convolutions' weights zero, on CPUs where
  // XNNPACK has kernels for it: not on x86 with AVX. Needs an initialized XNNPACK.
  static bool Supports(const Plan& plan);

  // Packs a validated plan that Supports(plan). Reads one image [H, W, C] at `input` in each run and writes
  // `outputs`, in the plan's order; both must have room for XNN_EXTRA_BYTES more. Packs into `weights` what is dense:
  // sparse kernels write into their own. Measures each operator with `profile`. Multiplies weights by their factors in
  // place. Throws Error.
  SparseExecutor(const Plan& plan, float* input, const std::vector<float*>& outputs, PackedWeights& weights,
                 pthreadpool_t pool, bool profile);

  Span<char> Scratch() override { return memory_.all(); }

 private:
  std::unique_ptr<Operator> Make(const Plan& plan, const Layer& layer, const XnnOptions& options) const;
  std::unique_ptr<Operator> MakePlaneConvolution(const Plan& plan, const Layer& layer, const XnnOptions& options) const;

  Memory memory_;
};

}  // namespace neonsense::engine
