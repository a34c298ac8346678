#include "reference.h"

#include <algorithm>
#include <cmath>

namespace neonsense::engine::test {
namespace {

using Tensor = std::vector<double>;

Tensor RoundToGrid(const Tensor& real, double scale, int32_t zero_point, double lowest, double highest) {
  Tensor rounded(real.size());
  for (size_t i = 0; i < real.size(); i++) {
    const double q = std::clamp(std::nearbyint(real[i] / scale) + zero_point, lowest, highest);
    rounded[i] = (q - zero_point) * scale;
  }
  return rounded;
}

// Scale and zero point from the tensor's own range, extended to hold 0, over 255 steps.
Tensor RoundDynamically(const Tensor& real) {
  const double low = std::min(0.0, *std::min_element(real.begin(), real.end()));
  const double high = std::max(0.0, *std::max_element(real.begin(), real.end()));
  const double scale = low == high ? 1 : (high - low) / 255;
  return RoundToGrid(real, scale, static_cast<int32_t>(std::nearbyint(-128 - low / scale)), -128, 127);
}

Tensor AsStored(const Value& value, const Tensor& real) {
  switch (value.type) {
    case ValueType::kF32:
    case ValueType::kF16:
      return real;
    case ValueType::kQD8:
      return RoundDynamically(real);
    case ValueType::kQS8:
      return RoundToGrid(real, value.scale, value.zero_point, -128, 127);
    case ValueType::kQU8:
      return RoundToGrid(real, value.scale, value.zero_point, 0, 255);
  }
  return real;
}

double WeightAt(const Layer& layer, size_t index, size_t channel) {
  const Weights& weights = layer.weights;
  switch (weights.type) {
    case WeightType::kF32:
      return weights.f32.data[index] * (weights.factors.size ? weights.factors.data[channel] : 1);
    case WeightType::kQC8:
      return weights.qc8.data[index] * static_cast<double>(weights.scales.data[channel]);
    case WeightType::kQU8:
      return (weights.qu8.data[index] - weights.zero_point) * static_cast<double>(weights.scale);
  }
  return 0;
}

double BiasAt(const Layer& layer, const Value& in, size_t channel) {
  if (layer.bias_f32.data != nullptr) return layer.bias_f32.data[channel];
  const double weight_scale =
      layer.weights.type == WeightType::kQC8 ? layer.weights.scales.data[channel] : layer.weights.scale;
  return layer.bias_i32.data[channel] * in.scale * weight_scale;
}

Tensor Convolve(const Layer& layer, const Value& in, const Value& out, const Tensor& x) {
  const bool depthwise = layer.op == Op::kDepthwiseConv2d;
  const auto [in_h, in_w, in_c] = in.shape;
  const auto [out_h, out_w, out_c] = out.shape;
  Tensor y(out_h * out_w * out_c);
  for (size_t oy = 0; oy < out_h; oy++) {
    for (size_t ox = 0; ox < out_w; ox++) {
      for (size_t o = 0; o < out_c; o++) {
        double sum = BiasAt(layer, in, o);
        for (size_t ky = 0; ky < layer.kernel[0]; ky++) {
          for (size_t kx = 0; kx < layer.kernel[1]; kx++) {
            const size_t iy = oy * layer.stride[0] + ky - layer.padding[0];
            const size_t ix = ox * layer.stride[1] + kx - layer.padding[3];
            if (iy >= in_h || ix >= in_w) continue;  // a negative position wraps to a huge one
            const size_t tap = ky * layer.kernel[1] + kx;
            if (depthwise) {
              sum += x[(iy * in_w + ix) * in_c + o] * WeightAt(layer, o * layer.kernel[0] * layer.kernel[1] + tap, o);
              continue;
            }
            for (size_t i = 0; i < in_c; i++) {
              const size_t index = (o * layer.kernel[0] * layer.kernel[1] + tap) * in_c + i;
              sum += x[(iy * in_w + ix) * in_c + i] * WeightAt(layer, index, o);
            }
          }
        }
        y[(oy * out_w + ox) * out_c + o] =
            std::clamp(sum, static_cast<double>(layer.min), static_cast<double>(layer.max));
      }
    }
  }
  return y;
}

Tensor Apply(const Plan& plan, const Layer& layer, const std::vector<Tensor>& values) {
  const Tensor& x = values[layer.inputs[0]];
  const Value& in = plan.values[layer.inputs[0]];
  const Value& out = plan.values[layer.output];
  const size_t channels = in.shape[2];
  Tensor y(ElementCount(out));
  switch (layer.op) {
    case Op::kConv2d:
    case Op::kDepthwiseConv2d:
    case Op::kLinear:
      return Convolve(layer, in, out, x);
    case Op::kGlobalAveragePool:
      for (size_t i = 0; i < x.size(); i++) y[i % channels] += x[i] * channels / x.size();
      return y;
    case Op::kHardSwish:
      for (size_t i = 0; i < x.size(); i++) y[i] = x[i] * std::clamp(x[i] / 6 + 0.5, 0.0, 1.0);
      return y;
    case Op::kMultiply: {
      const Tensor& factor = values[layer.inputs[1]];
      for (size_t i = 0; i < x.size(); i++) y[i] = x[i] * factor[i % factor.size()];
      return y;
    }
    case Op::kAdd:
      for (size_t i = 0; i < x.size(); i++) y[i] = x[i] + values[layer.inputs[1]][i];
      return y;
    case Op::kConvert:
      return x;
  }
  return y;
}

}  // namespace

std::vector<float> RunReference(const Plan& plan, const std::vector<float>& input) {
  std::vector<Tensor> values(plan.values.size());
  values[plan.input] = Tensor(input.begin(), input.end());
  for (const Layer& layer : plan.layers) {
    values[layer.output] = AsStored(plan.values[layer.output], Apply(plan, layer, values));
  }
  const Tensor& output = values[plan.outputs[0]];
  return {output.begin(), output.end()};
}

}  // namespace neonsense::engine::test
