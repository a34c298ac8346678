#include "engine/operators/sparse_executor.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <cpuinfo.h>
#include <xnnpack.h>

#include "engine/error.h"
#include "engine/float_weights.h"
#include "engine/status.h"

namespace neonsense::engine {
namespace {

bool IsPixel(const Value& value) { return value.shape[0] * value.shape[1] == 1; }

bool HasSquareKernel(const Layer& layer, uint32_t kernel) {
  const uint32_t padding = (kernel - 1) / 2;
  return layer.kernel == std::array<uint32_t, 2>{kernel, kernel} && layer.stride[0] == layer.stride[1] &&
         layer.padding == std::array<uint32_t, 4>{padding, padding, padding, padding};
}

// Whether there is a kernel for planes.
bool HasKernel(const Plan& plan, const Layer& layer) {
  const bool reads_image = std::count(layer.inputs.begin(), layer.inputs.end(), plan.input) != 0;
  switch (layer.op) {
    case Op::kConv2d:
      if (reads_image) {
        return HasSquareKernel(layer, 3) && layer.stride[0] == 2 && plan.values[plan.input].shape[2] == 3;
      }
      return HasSquareKernel(layer, 1) && layer.stride[0] == 1;
    case Op::kDepthwiseConv2d:
      return !reads_image && (HasSquareKernel(layer, 3) || HasSquareKernel(layer, 5)) && layer.stride[0] <= 2;
    case Op::kLinear:
      return !reads_image && IsPixel(plan.values[layer.inputs[0]]);
    case Op::kGlobalAveragePool:
    case Op::kHardSwish:
    case Op::kMultiply:
    case Op::kAdd:
      return !reads_image;
    case Op::kConvert:
      return false;
  }
  return false;
}

// A linear layer, or the 1x1 convolution of a single pixel, which is one.
bool IsLinear(const Plan& plan, const Layer& layer) {
  return layer.op == Op::kLinear ||
         (layer.op == Op::kConv2d && HasSquareKernel(layer, 1) && IsPixel(plan.values[layer.inputs[0]]));
}

bool IsSparseLayer(const Plan& plan, const Layer& layer) {
  return layer.op == Op::kConv2d && HasSquareKernel(layer, 1) && !IsLinear(plan, layer);
}

bool IsMostlyZero(const Plan& plan) {
  size_t zeros = 0;
  size_t weights = 0;
  for (const Layer& layer : plan.layers) {
    if (!IsSparseLayer(plan, layer)) continue;
    const Span<float>& data = layer.weights.f32;
    weights += data.size;
    zeros += static_cast<size_t>(std::count(data.data, data.data + data.size, 0.0f));
  }
  return zeros * 3 > weights * 2;
}

Dims PlaneDims(const Value& value) { return {1, value.shape[2], value.shape[0], value.shape[1]}; }

std::vector<size_t> ElementCounts(const Plan& plan) {
  std::vector<size_t> counts;
  for (const Value& value : plan.values) counts.push_back(ElementCount(value));
  return counts;
}

}  // namespace

bool SparseExecutor::Supports(const Plan& plan) {
  // XNNPACK has x86 kernels for SSE only and does not use them beside AVX. False on other architectures.
  if (cpuinfo_has_x86_avx()) return false;
  const auto is_output = [&](uint32_t value) {
    return std::count(plan.outputs.begin(), plan.outputs.end(), value) != 0;
  };
  const auto is_f32 = [](const Value& value) { return value.type == ValueType::kF32; };
  return !is_output(plan.input) && std::all_of(plan.values.begin(), plan.values.end(), is_f32) &&
         std::all_of(plan.outputs.begin(), plan.outputs.end(), [&](uint32_t o) { return IsPixel(plan.values[o]); }) &&
         std::all_of(plan.layers.begin(), plan.layers.end(),
                     [&](const Layer& layer) { return HasKernel(plan, layer); }) &&
         IsMostlyZero(plan);
}

SparseExecutor::SparseExecutor(const Plan& plan, float* input, const std::vector<float*>& outputs,
                               PackedWeights& weights, pthreadpool_t pool, bool profile)
    : OperatorExecutor(pool, profile),
      memory_(plan, SingleSteps(plan), ElementCounts(plan), plan.input, input, outputs) {
  for (size_t i = 0; i < plan.layers.size(); i++) {
    // After the last operator the threads sleep instead of spinning.
    const uint32_t flags = i + 1 == plan.layers.size() ? XNN_FLAG_YIELD_WORKERS : 0;
    Add(Make(plan, plan.layers[i], {pool, flags, &weights}), plan.layers[i].name);
  }
}

std::unique_ptr<Operator> SparseExecutor::Make(const Plan& plan, const Layer& layer, const XnnOptions& options) const {
  const Value& in = plan.values[layer.inputs[0]];
  const Value& out = plan.values[layer.output];
  const Place& input = memory_[layer.inputs[0]];
  const Place& output = memory_[layer.output];
  switch (layer.op) {
    case Op::kConv2d:
    case Op::kDepthwiseConv2d:
    case Op::kLinear:
      if (IsLinear(plan, layer)) return MakeLinear(layer, in.shape[2], out.shape[2], input, output, options);
      return MakePlaneConvolution(plan, layer, options);
    case Op::kGlobalAveragePool:
      return MakeMean(layer, PlaneDims(in), {2, 3}, input, output, options);
    case Op::kHardSwish:
      return MakeUnary(layer, xnn_unary_hardswish, ElementCount(out), input, output, options);
    case Op::kMultiply:
    case Op::kAdd:
      return MakeBinary(layer, PlaneDims(in), PlaneDims(plan.values[layer.inputs[1]]), input, memory_[layer.inputs[1]],
                        output, options);
    case Op::kConvert:
      break;
  }
  throw Error("Layer '" + layer.name + "' has no sparse kernel");
}

std::unique_ptr<Operator> SparseExecutor::MakePlaneConvolution(const Plan& plan, const Layer& layer,
                                                               const XnnOptions& options) const {
  const std::string what = "Packing layer '" + layer.name + "'";
  const Value& in = plan.values[layer.inputs[0]];
  const size_t in_channels = in.shape[2];
  const size_t out_channels = plan.values[layer.output].shape[2];
  const bool depthwise = layer.op == Op::kDepthwiseConv2d;
  const bool reads_image = layer.inputs[0] == plan.input;
  xnn_operator_t created = nullptr;
  CheckStatus(xnn_create_convolution2d_nchw_f32(
                  layer.padding[0], layer.padding[1], layer.padding[2], layer.padding[3], layer.kernel[0],
                  layer.kernel[1], layer.stride[0], layer.stride[1], 1, 1,
                  /*groups=*/depthwise ? static_cast<uint32_t>(in_channels) : 1, depthwise ? 1 : in_channels,
                  depthwise ? 1 : out_channels, in_channels, out_channels, FoldWeightsInPlace(layer), FiniteBias(layer),
                  layer.min, layer.max, options.flags | (reads_image ? XNN_FLAG_INPUT_NHWC : 0), /*code_cache=*/nullptr,
                  /*weights_cache=*/nullptr, &created),
              what);
  OperatorHandle handle(created);
  size_t height = 0;
  size_t width = 0;
  CheckStatus(xnn_reshape_convolution2d_nchw_f32(created, 1, in.shape[0], in.shape[1], &height, &width, options.pool),
              what);
  CheckStatus(xnn_setup_convolution2d_nchw_f32(created, memory_[layer.inputs[0]].as<float>(),
                                               memory_[layer.output].as<float>()),
              what);
  return std::make_unique<XnnOperator>(std::move(handle),
                                       std::string("Convolution (NCHW, F32) ") + (depthwise     ? "DWConv"
                                                                                  : reads_image ? "Conv2D HWC2CHW"
                                                                                                : "SPMM"));
}

}  // namespace neonsense::engine
