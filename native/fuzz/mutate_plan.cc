#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <random>
#include <vector>

#include "engine/error.h"
#include "engine/plan_bytes.h"
#include "fuzz/check_plan.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace neonsense::engine::fuzz {
namespace {

// Grows and changes a plan whose sizes fit together.
class Gardener {
 public:
  Gardener(Plan& plan, uint32_t seed) : plan_(plan), random_(seed) {}

  // A plan of nothing but an image.
  void Plant() {
    plan_ = {};
    AddValue({Below(12) + 1, Below(12) + 1, OneOf<size_t>({1, 3, 4, 8, 17})}, ValueType::kF32);
  }

  void Change() {
    switch (Below(8)) {
      case 0:
        return Rescale(plan_.values[Below(plan_.values.size())]);
      case 1:
        if (Layer* layer = WeightedLayer()) Clamp(*layer);
        return;
      case 2:
        if (Layer* layer = WeightedLayer()) Fill(*layer);
        return;
      default:
        AddLayer();
    }
  }

  // Gives back what nobody reads, as a plan must; converted where it is not f32.
  void Harvest() {
    for (size_t i = 0; i < plan_.values.size(); i++) {
      if (i == plan_.input || IsRead(i) || IsOutput(i)) continue;
      uint32_t output = static_cast<uint32_t>(i);
      if (plan_.values[i].type != ValueType::kF32) {
        if (plan_.values[i].type == ValueType::kQD8) continue;
        output = AddValue(plan_.values[i].shape, ValueType::kF32);
        AddPlain(Op::kConvert, {static_cast<uint32_t>(i)}, output);
      }
      plan_.outputs.push_back(output);
    }
    const auto read = [&](uint32_t output) { return plan_.outputs.size() > 1 && Below(2) == 0 && IsRead(output); };
    plan_.outputs.erase(std::remove_if(plan_.outputs.begin(), plan_.outputs.end(), read), plan_.outputs.end());
  }

 private:
  size_t Below(size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random_); }
  template <typename T>
  T OneOf(std::initializer_list<T> choices) {
    return choices.begin()[Below(choices.size())];
  }
  float Scale() { return std::exp2(std::uniform_real_distribution<float>(-14, 4)(random_)); }

  bool IsRead(size_t value) const {
    return std::any_of(plan_.layers.begin(), plan_.layers.end(), [&](const Layer& layer) {
      return std::count(layer.inputs.begin(), layer.inputs.end(), value) != 0;
    });
  }
  bool IsOutput(size_t value) const { return std::count(plan_.outputs.begin(), plan_.outputs.end(), value) != 0; }
  static bool IsFixed(ValueType type) { return type == ValueType::kQS8 || type == ValueType::kQU8; }

  uint32_t AddValue(std::array<size_t, 3> shape, ValueType type) {
    Value value;
    value.name = "v" + std::to_string(plan_.values.size());
    value.shape = shape;
    value.type = type;
    value.scale = IsFixed(type) ? Scale() : 0;
    value.zero_point = IsFixed(type) ? static_cast<int32_t>(Below(100)) : 0;
    plan_.values.push_back(value);
    return static_cast<uint32_t>(plan_.values.size() - 1);
  }

  void AddPlain(Op op, std::vector<uint32_t> inputs, uint32_t output) {
    Layer layer;
    layer.op = op;
    layer.name = "l" + std::to_string(plan_.layers.size());
    layer.inputs = std::move(inputs);
    layer.output = output;
    plan_.layers.push_back(layer);
  }

  void AddLayer() {
    if (plan_.values.size() > 40 || plan_.layers.size() > 40) return;
    // Mostly chains: the last value.
    const auto input = static_cast<uint32_t>(Below(3) != 0 ? plan_.values.size() - 1 : Below(plan_.values.size()));
    const Value from = plan_.values[input];
    if (from.type != ValueType::kQD8 && Below(3) == 0) {
      const ValueType to =
          from.type == ValueType::kF32 ? OneOf({ValueType::kQS8, ValueType::kQU8, ValueType::kQD8}) : ValueType::kF32;
      const uint32_t output = AddValue(from.shape, to);
      return AddPlain(Op::kConvert, {input}, output);
    }
    if (from.type == ValueType::kQD8 || Below(2) == 0) return AddWeighted(input);
    const Op op = OneOf({Op::kGlobalAveragePool, Op::kHardSwish, Op::kMultiply, Op::kAdd});
    std::vector<uint32_t> inputs = {input};
    if (op == Op::kMultiply || op == Op::kAdd) {
      std::vector<uint32_t> seconds;
      for (uint32_t i = 0; i < plan_.values.size(); i++) {
        const Value& second = plan_.values[i];
        const bool same = second.shape == from.shape;
        const bool gate = op == Op::kMultiply && second.shape == std::array<size_t, 3>{1, 1, from.shape[2]};
        if (second.type == from.type && (same || gate)) seconds.push_back(i);
      }
      inputs.push_back(seconds[Below(seconds.size())]);
    }
    const auto shape = op == Op::kGlobalAveragePool ? std::array<size_t, 3>{1, 1, from.shape[2]} : from.shape;
    const uint32_t output = AddValue(shape, from.type);
    AddPlain(op, inputs, output);
  }

  void AddWeighted(uint32_t input) {
    const Value from = plan_.values[input];
    Layer layer;
    layer.op = from.type == ValueType::kQD8                     ? OneOf({Op::kConv2d, Op::kLinear})
               : Below(2) == 0                                  ? Op::kConv2d
               : from.shape[0] * from.shape[1] == 1 && Below(2) ? Op::kLinear
                                                                : Op::kDepthwiseConv2d;
    if (layer.op == Op::kLinear && from.shape[0] * from.shape[1] != 1) layer.op = Op::kConv2d;
    layer.name = "l" + std::to_string(plan_.layers.size());
    layer.inputs = {input};
    std::array<size_t, 3> shape = {1, 1, OneOf<size_t>({1, 2, 4, 7, 16, 33})};
    if (layer.op != Op::kLinear) {
      for (uint32_t& side : layer.kernel) side = OneOf({1u, 1u, 2u, 3u, 3u, 5u, 6u});
      if (Below(3) != 0) layer.kernel[1] = layer.kernel[0];
      for (uint32_t& step : layer.stride) step = OneOf({1u, 1u, 2u, 2u, 3u});
      for (uint32_t& padding : layer.padding) padding = static_cast<uint32_t>(Below(3));
      for (size_t axis = 0; axis < 2; axis++) {
        const size_t padded = from.shape[axis] + layer.padding[axis == 0 ? 0 : 3] + layer.padding[axis == 0 ? 2 : 1];
        layer.kernel[axis] = static_cast<uint32_t>(std::min<size_t>(layer.kernel[axis], padded));
        shape[axis] = (padded - layer.kernel[axis]) / layer.stride[axis] + 1;
      }
    }
    if (layer.op == Op::kDepthwiseConv2d) shape[2] = from.shape[2];
    const ValueType to = from.type == ValueType::kQD8 ? ValueType::kF32 : from.type;
    layer.output = AddValue(shape, to);
    Clamp(layer);
    Fill(layer);
    plan_.layers.push_back(layer);
  }

  Layer* WeightedLayer() {
    std::vector<Layer*> layers;
    for (Layer& layer : plan_.layers) {
      if (layer.has_weights()) layers.push_back(&layer);
    }
    return layers.empty() ? nullptr : layers[Below(layers.size())];
  }

  void Clamp(Layer& layer) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    layer.min = OneOf({-kInfinity, 0.0f, -1.0f, -1e30f, 0.5f, 1e9f});
    layer.max = OneOf({kInfinity, 1.0f, 6.0f, 1e30f, 0.75f, -0.5f});
  }

  template <typename T>
  Span<T> Numbers(std::deque<std::vector<T>>& store, size_t count, T low, T high) {
    auto& numbers = store.emplace_back(count);
    const double width = static_cast<double>(high) - static_cast<double>(low);
    std::uniform_real_distribution<double> uniform(0, 1);
    const bool sparse = Below(3) == 0;
    for (T& number : numbers) {
      if (!sparse || Below(5) == 0) number = static_cast<T>(static_cast<double>(low) + uniform(random_) * width);
    }
    return {numbers.data(), numbers.size()};
  }

  // Weights and biases of the kind and number the layer needs.
  void Fill(Layer& layer) {
    if (layer.inputs[0] >= plan_.values.size() || layer.output >= plan_.values.size()) return;
    const ValueType from = plan_.values[layer.inputs[0]].type;
    const size_t in = plan_.values[layer.inputs[0]].shape[2];
    const size_t out = plan_.values[layer.output].shape[2];
    const size_t count = (layer.op == Op::kDepthwiseConv2d ? 1 : out) * layer.kernel[0] * layer.kernel[1] * in;
    if (count > 1u << 14) return;
    Weights& weights = layer.weights;
    weights = {};
    layer.bias_f32 = {};
    layer.bias_i32 = {};
    if (from == ValueType::kF32) {
      weights.f32 = Numbers<float>(floats_, count, -1, 1);
      if (Below(2) == 0) weights.factors = Numbers<double>(doubles_, out, -2, 2);
    } else if (from == ValueType::kQU8) {
      weights.type = WeightType::kQU8;
      weights.qu8 = Numbers<uint8_t>(bytes_, count, 0, 255);
      weights.scale = Scale();
      weights.zero_point = static_cast<int32_t>(Below(256));
    } else {
      weights.type = WeightType::kQC8;
      weights.qc8 = Numbers<int8_t>(chars_, count, -128, 127);
      Span<float> scales = Numbers<float>(floats_, out, 0, 0);
      for (size_t i = 0; i < out; i++) scales.data[i] = Scale();
      weights.scales = scales;
    }
    if (IsFixed(from)) {
      const int32_t bound = OneOf({100, 100000, std::numeric_limits<int32_t>::max()});
      layer.bias_i32 = Numbers<int32_t>(integers_, out, -bound, bound);
    } else {
      layer.bias_f32 = Numbers<float>(floats_, out, -1, 1);
    }
  }

  void Rescale(Value& value) {
    if (!IsFixed(value.type)) return;
    const float other = plan_.values[Below(plan_.values.size())].scale;
    // To the edges of what XNNPACK rescales by, and beyond.
    const float factor = OneOf({1.0f, 256.0f, 255.99f, 0x1p-10f, 0x1p-9f, 0x1p-16f, 0x1p-32f, 0x1p20f, 0.5f});
    value.scale = other > 0 ? other * factor : Scale();
    value.zero_point = OneOf({0, -128, 127, 255, 128, 1});
  }

  Plan& plan_;
  std::mt19937 random_;
  std::deque<std::vector<float>> floats_;
  std::deque<std::vector<double>> doubles_;
  std::deque<std::vector<int8_t>> chars_;
  std::deque<std::vector<uint8_t>> bytes_;
  std::deque<std::vector<int32_t>> integers_;
};

}  // namespace

size_t MutatePlan(uint8_t* data, size_t size, size_t max_size, uint32_t seed) {
  if (seed % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::vector<double> words(size / sizeof(double) + 1);
  std::memcpy(words.data(), data, size);
  Plan plan;
  Gardener gardener(plan, seed);
  try {
    plan = ReadPlan(reinterpret_cast<uint8_t*>(words.data()), size);
    Validate(plan);
  } catch (const Error&) {
    gardener.Plant();
  }
  if (seed % 16 == 1) gardener.Plant();
  for (uint32_t i = 0; i < 1 + seed / 16 % 6; i++) gardener.Change();
  gardener.Harvest();
  const std::vector<uint8_t> bytes = WritePlan(plan);
  if (bytes.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}

}  // namespace neonsense::engine::fuzz
