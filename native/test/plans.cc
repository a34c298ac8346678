#include "plans.h"

#include <string>
#include <utility>

namespace neonsense::engine::test {

uint32_t PlanBuilder::AddValue(std::array<size_t, 3> shape, ValueType type, float scale, int32_t zero_point) {
  const auto index = static_cast<uint32_t>(plan.values.size());
  plan.values.push_back({"value" + std::to_string(index), shape, type, scale, zero_point});
  return index;
}

void PlanBuilder::AddPlain(Op op, std::vector<uint32_t> inputs, uint32_t output) {
  Layer layer;
  layer.op = op;
  layer.name = "layer" + std::to_string(plan.layers.size());
  layer.inputs = std::move(inputs);
  layer.output = output;
  plan.layers.push_back(layer);
}

std::vector<float> PlanBuilder::RandomFloats(size_t count, float low, float high) {
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> numbers(count);
  for (float& number : numbers) number = uniform(random_);
  return numbers;
}

std::vector<int32_t>& PlanBuilder::RandomBias(size_t count) {
  std::uniform_int_distribution<int32_t> uniform(-500, 500);
  std::vector<int32_t>& numbers = int32s_.emplace_back(count);
  for (int32_t& number : numbers) number = uniform(random_);
  return numbers;
}

void PlanBuilder::AddWeighted(Op op, uint32_t input, uint32_t output, uint32_t kernel, uint32_t stride,
                              uint32_t padding, float min, float max) {
  AddPlain(op, {input}, output);
  Layer& layer = plan.layers.back();
  layer.kernel = {kernel, kernel};
  layer.stride = {stride, stride};
  layer.padding = {padding, padding, padding, padding};
  layer.min = min;
  layer.max = max;
  const size_t in_channels = plan.values[input].shape[2];
  const size_t out_channels = plan.values[output].shape[2];
  const size_t count = (op == Op::kDepthwiseConv2d ? 1 : out_channels) * kernel * kernel * in_channels;
  std::uniform_int_distribution<int> byte(0, 254);
  switch (plan.values[input].type) {
    case ValueType::kF32: {
      layer.weights.type = WeightType::kF32;
      auto& weights = floats_.emplace_back(RandomFloats(count, -1, 1));
      layer.weights.f32 = {weights.data(), weights.size()};
      break;
    }
    case ValueType::kQD8:
    case ValueType::kQS8: {
      layer.weights.type = WeightType::kQC8;
      auto& weights = int8s_.emplace_back(count);
      for (int8_t& weight : weights) weight = static_cast<int8_t>(byte(random_) - 127);
      layer.weights.qc8 = {weights.data(), weights.size()};
      const auto& scales = floats_.emplace_back(RandomFloats(out_channels, 0.005f, 0.02f));
      layer.weights.scales = {scales.data(), scales.size()};
      break;
    }
    case ValueType::kQU8: {
      layer.weights.type = WeightType::kQU8;
      auto& weights = uint8s_.emplace_back(count);
      for (uint8_t& weight : weights) weight = static_cast<uint8_t>(byte(random_));
      layer.weights.qu8 = {weights.data(), weights.size()};
      layer.weights.scale = 0.01f;
      layer.weights.zero_point = 121;
      break;
    }
  }
  const ValueType type = plan.values[input].type;
  if (type == ValueType::kQS8 || type == ValueType::kQU8) {
    const auto& bias = RandomBias(out_channels);
    layer.bias_i32 = {bias.data(), bias.size()};
  } else {
    const auto& bias = floats_.emplace_back(RandomFloats(out_channels, -1, 1));
    layer.bias_f32 = {bias.data(), bias.size()};
  }
}

PlanBuilder WeightedPlan(Op op, std::array<size_t, 3> in, std::array<size_t, 3> out, Quantized from, Quantized to,
                         uint32_t kernel, uint32_t stride, uint32_t padding, float min, float max) {
  PlanBuilder builder(static_cast<uint32_t>(in[0] * 1009 + in[2] * 31 + out[2]));
  const uint32_t input = builder.AddValue(in, ValueType::kF32);
  uint32_t source = input;
  if (from.type != ValueType::kF32) {
    source = builder.AddValue(in, from.type, from.scale, from.zero_point);
    builder.AddPlain(Op::kConvert, {input}, source);
  }
  uint32_t result = builder.AddValue(out, to.type, to.scale, to.zero_point);
  builder.AddWeighted(op, source, result, kernel, stride, padding, min, max);
  if (to.type != ValueType::kF32) {
    const uint32_t real = builder.AddValue(out, ValueType::kF32);
    builder.AddPlain(Op::kConvert, {result}, real);
    result = real;
  }
  builder.plan.input = input;
  builder.plan.outputs = {result};
  return builder;
}

}  // namespace neonsense::engine::test
