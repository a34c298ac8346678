#include "engine/operators/dense_executor.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/operators/depthwise_operator.h"
#include "engine/operators/pointwise_codes_operator.h"
#include "engine/operators/pointwise_int8_operator.h"
#include "engine/operators/pointwise_operator.h"
#include "engine/operators/scale_operator.h"
#include "engine/operators/stem_operator.h"
#include "engine/operators/step.h"

namespace neonsense::engine {
namespace {

const std::array<size_t, 3>& ShapeOf(const Plan& plan, const InputLayout& layout, size_t value) {
  return layout.Covers(value) ? layout.shape() : plan.values[value].shape;
}

std::vector<size_t> ElementCounts(const Plan& plan, const InputLayout& layout) {
  std::vector<size_t> counts;
  for (size_t i = 0; i < plan.values.size(); i++) {
    const auto& shape = ShapeOf(plan, layout, i);
    counts.push_back(shape[0] * shape[1] * shape[2]);
  }
  return counts;
}

ConvolutionWindow WindowOf(const Plan& plan, const InputLayout& layout, const Layer& layer) {
  const auto& in_shape = ShapeOf(plan, layout, layer.inputs[0]);
  if (layout.unrolled() == InputLayout::kNoLayer || &plan.layers[layout.unrolled()] != &layer) {
    return {layer.kernel, layer.stride, layer.padding, in_shape};
  }
  const InputLayout::Window window = layout.window();
  return {{window.height, 1}, {window.stride, 1}, {window.top, 0, window.bottom, 0}, in_shape};
}

bool TakesActivation(const Plan& plan, const Layer& layer) {
  return TakesHardSwish(plan, layer) || HasPointwiseKernel(plan, layer) || HasPointwiseInt8Kernel(plan, layer) ||
         HasStemKernel(plan, layer);
}

// Without what is done while the image is laid out.
std::vector<Step> StepsOf(const Plan& plan, const InputLayout& layout) {
  std::vector<Step> steps = FusedSteps(plan, TakesActivation);
  if (layout.converted() != InputLayout::kNoLayer) {
    const Layer* converted = &plan.layers[layout.converted()];
    const auto is_converted = [&](const Step& step) { return step.layer == converted; };
    steps.erase(std::remove_if(steps.begin(), steps.end(), is_converted), steps.end());
  }
  return steps;
}

Dims DimsOf(const Value& value) { return {1, value.shape[0], value.shape[1], value.shape[2]}; }

}  // namespace

bool DenseExecutor::Supports(const Plan& plan) {
  return std::all_of(plan.values.begin(), plan.values.end(),
                     [](const Value& value) { return value.type != ValueType::kQU8; });
}

bool DenseExecutor::TakesPlainImage(const Plan& plan) {
  return std::any_of(plan.layers.begin(), plan.layers.end(),
                     [&](const Layer& layer) { return layer.inputs[0] == plan.input && HasStemKernel(plan, layer); });
}

DenseExecutor::DenseExecutor(const Plan& plan, const InputLayout& layout, void* input,
                             const std::vector<float*>& outputs, PackedWeights& weights, pthreadpool_t pool,
                             bool profile)
    : DenseExecutor(plan, StepsOf(plan, layout), layout, input, outputs, weights, pool, profile) {}

DenseExecutor::DenseExecutor(const Plan& plan, const std::vector<Step>& steps, const InputLayout& layout, void* input,
                             const std::vector<float*>& outputs, PackedWeights& weights, pthreadpool_t pool,
                             bool profile)
    : OperatorExecutor(pool, profile),
      memory_(plan, steps, ElementCounts(plan, layout), layout.graph_input(), input, outputs),
      weights_(weights) {
  for (const Step& step : steps) Add(Make(plan, step, layout, &step == &steps.back()), step.layer->name);
}

std::unique_ptr<Operator> DenseExecutor::Make(const Plan& plan, const Step& step, const InputLayout& layout,
                                              bool is_last) const {
  const Layer& layer = *step.layer;
  const Place& input = memory_[layer.inputs[0]];
  const Place& output = memory_[step.output()];
  const Value& in = plan.values[layer.inputs[0]];
  const Value& out = plan.values[step.output()];
  const auto& in_shape = ShapeOf(plan, layout, layer.inputs[0]);
  // After the last operator the threads sleep instead of spinning.
  const XnnOptions options = {pool(), is_last ? uint32_t{XNN_FLAG_YIELD_WORKERS} : 0, &weights_};
  const uint32_t flags = PTHREADPOOL_FLAG_DISABLE_DENORMALS | (is_last ? PTHREADPOOL_FLAG_YIELD_WORKERS : 0);
  switch (layer.op) {
    case Op::kDepthwiseConv2d:
      if (HasDepthwiseKernel(plan, layer)) {
        return MakeDepthwise(plan, step, input, output, weights_, flags);
      }
      return MakeConvolution(layer, WindowOf(plan, layout, layer), out.shape[2], input, output, options);
    case Op::kConv2d:
      if (HasPointwiseKernel(plan, layer)) return MakePointwise(plan, step, input, output, weights_, flags);
      if (HasPointwiseInt8Kernel(plan, layer)) return MakePointwiseInt8(plan, step, input, output, weights_, flags);
      if (HasPointwiseCodesKernel(plan, layer)) {
        return MakePointwiseCodes(plan, layer, input, output, weights_, flags);
      }
      if (HasStemKernel(plan, layer)) return MakeStem(plan, step, input, output, weights_, flags);
      if (LacksPointwiseInt8KernelForItsWeights(plan, layer) || LacksPointwiseCodesKernelForItsWeights(plan, layer)) {
        weights_.ForbidRepeat();
      }
      return MakeConvolution(layer, WindowOf(plan, layout, layer), out.shape[2], input, output, options);
    case Op::kLinear:
      return MakeLinear(layer, in.shape[2], out.shape[2], input, output, options);
    case Op::kGlobalAveragePool:
      return MakeMean(layer, DimsOf(in), {1, 2}, input, output, options);
    case Op::kHardSwish:
      return MakeUnary(layer, xnn_unary_hardswish, ElementCount(out), input, output, options);
    case Op::kMultiply:
      if (IsScale(plan, layer)) return MakeScale(plan, layer, input, memory_[layer.inputs[1]], output, flags);
      [[fallthrough]];
    case Op::kAdd:
      return MakeBinary(layer, DimsOf(in), DimsOf(plan.values[layer.inputs[1]]), input, memory_[layer.inputs[1]],
                        output, options);
    case Op::kConvert:
      return MakeConvert(layer, in_shape[0] * in_shape[1] * in_shape[2], input, output, options);
  }
  throw Error("Layer '" + layer.name + "' is of no known kind");
}

}  // namespace neonsense::engine
