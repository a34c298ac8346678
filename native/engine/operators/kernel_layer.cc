#include "engine/operators/kernel_layer.h"

#include <cstring>

namespace neonsense::engine {

using kernels::Activation;

bool IsPointwise(const Layer& layer) {
  return layer.op == Op::kConv2d && layer.kernel == std::array<uint32_t, 2>{1, 1} && layer.stride == layer.kernel &&
         layer.padding == std::array<uint32_t, 4>{};
}

kernels::PointwiseShape PointwiseShapeOf(const Plan& plan, const Layer& layer) {
  const Value& in = plan.values[layer.inputs[0]];
  return {in.shape[0] * in.shape[1], in.shape[2], plan.values[layer.output].shape[2]};
}

bool HasSmallestWeight(const Layer& layer) {
  const Span<const int8_t>& weights = layer.weights.qc8;
  return weights.size > 0 && std::memchr(weights.data, 0x80, weights.size) != nullptr;
}

std::vector<float> OutputScales(const Layer& layer, const Place& input, const Place& output) {
  std::vector<float> scales(layer.weights.scales.size);
  for (size_t c = 0; c < scales.size(); c++) {
    scales[c] = input.range.scale * layer.weights.scales.data[c] / output.range.scale;
  }
  return scales;
}

Activation ActivationOf(const Step& step) {
  const Activation::Kind kind = step.activation != nullptr ? Activation::Kind::kHardSwish : Activation::Kind::kClamp;
  return {kind, step.layer->min, step.layer->max};
}

std::string KernelName(const std::string& layer, const Activation& activation, const char* variant) {
  const char* const swish = activation.kind == Activation::Kind::kHardSwish ? " hard-swish" : "";
  return "neonsense " + layer + swish + " (" + variant + ")";
}

}  // namespace neonsense::engine
