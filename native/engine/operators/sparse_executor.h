#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/executor.h"
#include "engine/operators/operator.h"
#include "engine/plan.h"

namespace neonsense::engine {

// A float plan whose 1x1 convolutions run on XNNPACK's sparse kernels, which skip the zeros.
//
// Those kernels want planes, [C, H, W], so everything from the first convolution on is kept in planes; layers whose
// values are single pixels, where both layouts are the same, use dense kernels. XNNPACK's graph can do such a rewrite
// itself (XNN_FLAG_HINT_SPARSE_INFERENCE), but at the pinned version a mean over planes declares its output as
// [1, 1, H] instead of [1, 1, C] and is given too little memory. Hence single operators, run one after the other.
class SparseExecutor : public Executor {
 public:
  // True for plans this class can run, with more than two thirds of their 1x1 convolutions' weights zero, on CPUs where
  // XNNPACK has kernels for it: not on x86 with AVX. Needs an initialized XNNPACK.
  static bool Supports(const Plan& plan);

  // Packs a validated plan that Supports(plan). Reads one image [H, W, C] at `input` in each run and writes
  // `outputs`, in the plan's order; both must have room for XNN_EXTRA_BYTES more. Measures each operator with
  // `profile`. Multiplies weights by their factors in place. Throws Error.
  SparseExecutor(const Plan& plan, const float* input, const std::vector<float*>& outputs, pthreadpool_t pool,
                 bool profile);

  void Run() override;
  std::vector<OperatorTime> Profile() const override;

 private:
  void Create(const Plan& plan, const Layer& layer, uint32_t flags);
  void CreateConvolution(const Plan& plan, const Layer& layer, uint32_t flags);
  void CreateLinear(const Plan& plan, const Layer& layer, uint32_t flags);
  void CreateReduceMean(const Plan& plan, const Layer& layer, uint32_t flags);
  void CreateHardSwish(const Plan& plan, const Layer& layer, uint32_t flags);
  void CreateBinary(const Plan& plan, const Layer& layer, xnn_binary_operator type, uint32_t flags);
  void Setup(const Plan& plan, const Layer& layer, size_t index, const std::vector<float*>& values);

  // Keeps an operator that has just been created, under the name profiles give it.
  void Add(xnn_operator_t op, std::string name);

  pthreadpool_t pool_;
  std::vector<std::unique_ptr<XnnOperator>> operators_;
  std::vector<std::string> layer_names_;
  // Microseconds of the last run, one entry per operator; none where they are not measured.
  std::vector<uint64_t> times_;
  std::vector<std::unique_ptr<float[]>> memory_;
};

}  // namespace neonsense::engine
