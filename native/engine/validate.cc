#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <utility>

#include "engine/error.h"
#include "engine/plan.h"

namespace neonsense::engine {
namespace {

// Far above any MobileNetV3, far below where a product of three could overflow 64 bits or exhaust memory unnoticed.
constexpr size_t kMaxDimension = 1u << 16;
constexpr size_t kMaxElements = 1u << 28;
constexpr uint32_t kMaxKernel = 64;
// Elements that one accumulator sums up: 2^23 bytes fit into 31 bits with their sign, and so do 2^15 products of two.
constexpr size_t kMaxPooled = size_t{1} << 23;
constexpr size_t kMaxProducts = size_t{1} << 15;
// Scales of values: far from any real one, close enough that products of three neither overflow nor vanish.
constexpr float kMinScale = 0x1p-40f;
constexpr float kMaxScale = 0x1p40f;

std::string Quote(const std::string& name) { return "'" + name + "'"; }

std::string ShapeString(const std::array<size_t, 3>& shape) {
  return "[" + std::to_string(shape[0]) + ", " + std::to_string(shape[1]) + ", " + std::to_string(shape[2]) + "]";
}

std::string NumberString(float number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.7g", static_cast<double>(number));
  return text;
}

bool IsPositiveNormal(float x) { return std::isnormal(x) && x > 0; }

// The product, or an Error once it passes kMaxElements.
size_t CheckedProduct(std::initializer_list<size_t> factors, const std::string& what) {
  size_t product = 1;
  for (size_t factor : factors) {
    if (factor == 0 || factor > kMaxElements || product > kMaxElements / factor) {
      throw Error(what + " has no elements or more than " + std::to_string(kMaxElements));
    }
    product *= factor;
  }
  return product;
}

void ValidateZeroPoint(int32_t zero_point, bool is_signed, const std::string& what) {
  const int32_t lowest = is_signed ? std::numeric_limits<int8_t>::min() : 0;
  const int32_t highest = is_signed ? std::numeric_limits<int8_t>::max() : std::numeric_limits<uint8_t>::max();
  if (zero_point < lowest || zero_point > highest) {
    throw Error(what + " has zero point " + std::to_string(zero_point) + ", expected " + std::to_string(lowest) +
                " to " + std::to_string(highest));
  }
}

void ValidateValue(const Value& value) {
  const std::string what = "Value " + Quote(value.name);
  for (size_t dimension : value.shape) {
    if (dimension == 0 || dimension > kMaxDimension) {
      throw Error(what + " has shape " + ShapeString(value.shape) + ", each dimension must be 1 to " +
                  std::to_string(kMaxDimension));
    }
  }
  CheckedProduct({value.shape[0], value.shape[1], value.shape[2]}, what);
  if (value.type == ValueType::kF16) throw Error(what + " is of type f16, which only sessions make of f32");
  if (value.type == ValueType::kQS8 || value.type == ValueType::kQU8) {
    if (!(value.scale >= kMinScale && value.scale <= kMaxScale)) {
      throw Error(what + " has scale " + NumberString(value.scale) + ", expected 2^-40 to 2^40");
    }
    ValidateZeroPoint(value.zero_point, value.type == ValueType::kQS8, what);
  }
}

class LayerValidator {
 public:
  LayerValidator(const Plan& plan, const Layer& layer)
      : plan_(plan),
        layer_(layer),
        what_(std::string("Layer ") + Quote(layer.name) + " (" + ToString(layer.op) + ")") {}

  void Run() {
    const size_t arity = layer_.op == Op::kMultiply || layer_.op == Op::kAdd ? 2 : 1;
    if (layer_.inputs.size() != arity) Fail("takes " + std::to_string(arity) + " inputs");
    for (uint32_t input : layer_.inputs) Check(input < plan_.values.size(), "reads a value that does not exist");
    Check(layer_.output < plan_.values.size(), "writes a value that does not exist");
    if (layer_.has_weights()) {
      ValidateTypesWithWeights();
      ValidateGeometry();
      ValidateWeights();
    } else {
      ValidatePlain();
    }
  }

 private:
  [[noreturn]] void Fail(const std::string& problem) const { throw Error(what_ + " " + problem); }
  void Check(bool holds, const char* problem) const {
    if (!holds) Fail(problem);
  }

  const Value& input(size_t i) const { return plan_.values[layer_.inputs[i]]; }
  const Value& output() const { return plan_.values[layer_.output]; }

  // XNNPACK's int8 kernels multiply by such a factor in a way that holds within these bounds only; outside them they
  // give other numbers, with the wrong sign even, instead of saturating.
  void CheckFactor(float factor, float lowest, float limit, const char* formula) const {
    if (factor >= lowest && factor < limit) return;
    Fail("must rescale by " + NumberString(factor) + " (" + formula + "), which has to be at least " +
         NumberString(lowest) + " and below " + NumberString(limit) + ": choose other scales, or compute it in f32");
  }

  bool IsFixed(const Value& value) const { return value.type == ValueType::kQS8 || value.type == ValueType::kQU8; }

  void ExpectOutputShape(const std::array<size_t, 3>& expected) const {
    if (output().shape != expected) {
      Fail("must give " + ShapeString(expected) + " but its output is declared as " + ShapeString(output().shape));
    }
  }

  void ValidateTypesWithWeights() const {
    const WeightType weights = layer_.weights.type;
    switch (input(0).type) {
      case ValueType::kF32:
        Check(weights == WeightType::kF32 && output().type == ValueType::kF32, "needs f32 weights and an f32 output");
        break;
      case ValueType::kQD8:
        Check(weights == WeightType::kQC8 && output().type == ValueType::kF32, "needs qc8 weights and an f32 output");
        Check(layer_.op != Op::kDepthwiseConv2d, "can't read a dynamically quantized value");
        break;
      case ValueType::kQS8:
        Check(weights == WeightType::kQC8 && output().type == ValueType::kQS8, "needs qc8 weights and a qs8 output");
        break;
      case ValueType::kQU8:
        Check(weights == WeightType::kQU8 && output().type == ValueType::kQU8, "needs qu8 weights and a qu8 output");
        break;
      case ValueType::kF16:
        // Refused already, as a value.
        break;
    }
    Check(!std::isnan(layer_.min) && !std::isnan(layer_.max) && layer_.min < layer_.max, "needs min < max");
  }

  size_t OutputSide(size_t side, uint32_t before, uint32_t after, uint32_t kernel, uint32_t stride) const {
    const size_t padded = side + before + after;
    if (padded < kernel) Fail("has a kernel larger than its padded input");
    return (padded - kernel) / stride + 1;
  }

  void ValidateGeometry() const {
    for (size_t axis = 0; axis < 2; axis++) {
      Check(layer_.kernel[axis] >= 1 && layer_.kernel[axis] <= kMaxKernel, "has a kernel outside 1 to 64");
      Check(layer_.stride[axis] >= 1 && layer_.stride[axis] <= kMaxKernel, "has a stride outside 1 to 64");
    }
    for (uint32_t padding : layer_.padding) Check(padding < kMaxKernel, "has a padding outside 0 to 63");
    const auto& in = input(0).shape;
    const auto& out = output().shape;
    if (layer_.op == Op::kLinear) {
      Check(layer_.kernel[0] == 1 && layer_.kernel[1] == 1 && layer_.stride[0] == 1 && layer_.stride[1] == 1,
            "must have kernel and stride 1");
      Check(in[0] == 1 && in[1] == 1, "needs a [1, 1, C] input");
      ExpectOutputShape({1, 1, out[2]});
      return;
    }
    const size_t channels = layer_.op == Op::kDepthwiseConv2d ? in[2] : out[2];
    ExpectOutputShape({OutputSide(in[0], layer_.padding[0], layer_.padding[2], layer_.kernel[0], layer_.stride[0]),
                       OutputSide(in[1], layer_.padding[3], layer_.padding[1], layer_.kernel[1], layer_.stride[1]),
                       channels});
  }

  void ExpectLength(size_t length, size_t expected, const char* array) const {
    if (length != expected) {
      Fail("has " + std::to_string(length) + " " + array + ", expected " + std::to_string(expected));
    }
  }

  void ValidateWeights() const {
    const size_t in_channels = input(0).shape[2];
    const size_t out_channels = output().shape[2];
    const size_t rows = layer_.op == Op::kDepthwiseConv2d ? 1 : out_channels;
    const size_t count = CheckedProduct({rows, layer_.kernel[0], layer_.kernel[1], in_channels}, what_ + " weights");
    const Weights& weights = layer_.weights;
    switch (weights.type) {
      case WeightType::kF32:
        ExpectLength(weights.f32.size, count, "weights");
        if (weights.factors.size != 0) ExpectLength(weights.factors.size, out_channels, "factors");
        break;
      case WeightType::kQC8:
        ExpectLength(weights.qc8.size, count, "weights");
        ExpectLength(weights.scales.size, out_channels, "scales");
        for (size_t i = 0; i < out_channels; i++) {
          Check(IsPositiveNormal(weights.scales.data[i]), "needs finite scales above 0");
        }
        break;
      case WeightType::kQU8:
        ExpectLength(weights.qu8.size, count, "weights");
        Check(IsPositiveNormal(weights.scale), "needs a finite scale above 0");
        ValidateZeroPoint(weights.zero_point, false, what_);
        break;
    }
    const bool integer_bias = input(0).type == ValueType::kQS8 || input(0).type == ValueType::kQU8;
    ExpectLength(integer_bias ? layer_.bias_i32.size : layer_.bias_f32.size, out_channels, "biases of the right type");
    const Span<const int32_t> bias = integer_bias ? layer_.bias_i32 : Span<const int32_t>{};
    if (weights.type == WeightType::kQC8) ValidateAccumulators(weights.qc8, 0, bias, out_channels);
    if (weights.type == WeightType::kQU8) ValidateAccumulators(weights.qu8, weights.zero_point, bias, out_channels);
    if (integer_bias) ValidateRescaling(out_channels);
  }

  // Products of bytes are summed up in 32 bits, on top of the bias, in any order.
  template <typename T>
  void ValidateAccumulators(const Span<T>& weights, int32_t zero_point, const Span<const int32_t>& bias,
                            size_t out_channels) const {
    const size_t row = weights.size / out_channels;
    Check(row <= kMaxProducts, "sums up more products than an integer holds");
    for (size_t o = 0; o < out_channels; o++) {
      int64_t sum = 0;
      for (size_t i = o * row; i < (o + 1) * row; i++) sum += std::abs(weights.data[i] - zero_point);
      const int64_t start = bias.size == 0 ? 0 : bias.data[o];
      if (sum * 256 + std::abs(start) > std::numeric_limits<int32_t>::max()) {
        Fail("has weights and a bias in output channel " + std::to_string(o) + " whose sum can overflow an integer");
      }
    }
  }

  void ValidateRescaling(size_t out_channels) const {
    const Weights& weights = layer_.weights;
    const bool per_channel = weights.type == WeightType::kQC8;
    for (size_t o = 0; o < (per_channel ? out_channels : 1); o++) {
      const float accumulated = input(0).scale * (per_channel ? weights.scales.data[o] : weights.scale);
      Check(IsPositiveNormal(accumulated), "needs input scale * weight scale to be finite and above 0");
      CheckFactor(accumulated / output().scale, per_channel ? 0.0f : 0x1p-32f, 256.0f,
                  "input scale * weight scale / output scale");
    }
  }

  void ValidatePlain() const {
    const auto& in = input(0).shape;
    if (layer_.op == Op::kConvert) {
      ExpectOutputShape(in);
      const ValueType from = input(0).type;
      const ValueType to = output().type;
      const bool quantizes = from == ValueType::kF32 && to != ValueType::kF32;
      const bool dequantizes = (from == ValueType::kQS8 || from == ValueType::kQU8) && to == ValueType::kF32;
      Check(quantizes || dequantizes, "must quantize f32 or dequantize to it");
      return;
    }
    for (size_t i = 0; i < layer_.inputs.size(); i++) {
      Check(input(i).type == output().type && input(i).type != ValueType::kQD8,
            "needs inputs and output of one type: f32, qs8 or qu8");
    }
    switch (layer_.op) {
      case Op::kGlobalAveragePool:
        ExpectOutputShape({1, 1, in[2]});
        Check(!IsFixed(output()) || in[0] * in[1] <= kMaxPooled, "sums up more bytes than an integer holds");
        break;
      case Op::kMultiply: {
        const auto& factor = input(1).shape;
        Check(factor == in || factor == std::array<size_t, 3>({1, 1, in[2]}),
              "needs a second input of its first one's shape, or [1, 1, C]");
        ExpectOutputShape(in);
        if (IsFixed(output())) {
          CheckFactor(input(0).scale * input(1).scale / output().scale, 0x1p-16f, 256.0f,
                      "product of the input scales / output scale");
        }
        break;
      }
      case Op::kAdd:
        Check(input(1).shape == in, "needs inputs of one shape");
        ExpectOutputShape(in);
        if (!IsFixed(output())) break;
        for (size_t i = 0; i < 2; i++) {
          CheckFactor(input(i).scale / output().scale, 0x1p-10f, 256.0f, "input scale / output scale");
        }
        break;
      default:
        ExpectOutputShape(in);
    }
  }

  const Plan& plan_;
  const Layer& layer_;
  const std::string what_;
};

// Weights with factors are multiplied in place, so no other layer may read the same memory.
void ValidateSeparateWeights(const Plan& plan) {
  std::vector<std::pair<const float*, const Layer*>> starts;
  for (const Layer& layer : plan.layers) {
    if (layer.weights.f32.size != 0) starts.emplace_back(layer.weights.f32.data, &layer);
  }
  std::sort(starts.begin(), starts.end());
  for (size_t i = 1; i < starts.size(); i++) {
    const Layer& before = *starts[i - 1].second;
    if (starts[i].first >= starts[i - 1].first + before.weights.f32.size) continue;
    throw Error("Layers " + Quote(before.name) + " and " + Quote(starts[i].second->name) + " share weights");
  }
}

}  // namespace

void Validate(const Plan& plan) {
  if (plan.values.empty() || plan.values.size() > kMaxEntries || plan.layers.empty() ||
      plan.layers.size() > kMaxEntries) {
    throw Error("A plan needs 1 to " + std::to_string(kMaxEntries) + " values and layers");
  }
  for (const Value& value : plan.values) ValidateValue(value);
  if (plan.input >= plan.values.size() || plan.values[plan.input].type != ValueType::kF32) {
    throw Error("The plan's input must be an f32 value");
  }

  std::vector<bool> written(plan.values.size(), false);
  std::vector<bool> used(plan.values.size(), false);
  written[plan.input] = true;
  for (const Layer& layer : plan.layers) {
    LayerValidator(plan, layer).Run();
    for (uint32_t input : layer.inputs) {
      if (!written[input]) {
        throw Error("Layer " + Quote(layer.name) + " reads " + Quote(plan.values[input].name) +
                    " before it is written");
      }
      used[input] = true;
    }
    if (written[layer.output]) {
      throw Error("Layer " + Quote(layer.name) + " writes " + Quote(plan.values[layer.output].name) +
                  ", which is written already");
    }
    written[layer.output] = true;
  }

  if (plan.outputs.empty() || plan.outputs.size() > plan.values.size()) throw Error("A plan needs at least one output");
  std::vector<bool> listed(plan.values.size(), false);
  for (uint32_t output : plan.outputs) {
    if (output >= plan.values.size() || plan.values[output].type != ValueType::kF32 || !written[output] ||
        output == plan.input || listed[output]) {
      throw Error("Each output of a plan must be a different f32 value that a layer writes");
    }
    listed[output] = true;
    used[output] = true;
  }
  // XNNPACK fuses layers without asking whether anybody reads what they give.
  const auto unused = std::find(used.begin(), used.end(), false);
  if (unused != used.end()) {
    throw Error("Value " + Quote(plan.values[static_cast<size_t>(unused - used.begin())].name) +
                " is neither read by a layer nor given back");
  }
  ValidateSeparateWeights(plan);
}

}  // namespace neonsense::engine
