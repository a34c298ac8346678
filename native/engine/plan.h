#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace neonsense::engine {

// Far above any MobileNetV3, and checked before anything is copied: values and layers of a plan, inputs of a layer,
// bytes of a name.
inline constexpr size_t kMaxEntries = 1u << 12;
inline constexpr size_t kMaxInputs = 2;
inline constexpr size_t kMaxNameLength = 256;

// kF16 is for the engine alone: no plan from outside has it.
enum class ValueType { kF32, kQS8, kQU8, kQD8, kF16 };

// A tensor between two layers, without its batch dimension: [H, W, C].
struct Value {
  std::string name;
  std::array<size_t, 3> shape{};
  ValueType type = ValueType::kF32;
  // x = scale * (q - zero_point); used by kQS8 and kQU8 only.
  float scale = 0;
  int32_t zero_point = 0;
};

enum class Op {
  kConv2d,
  kDepthwiseConv2d,
  kLinear,
  kGlobalAveragePool,
  kHardSwish,
  kMultiply,
  kAdd,
  kConvert,
};

enum class WeightType { kF32, kQC8, kQU8 };

// Elements that somebody else owns and keeps alive while a Session is being built. No longer than that: XNNPACK packs
// its own copies.
template <typename T>
struct Span {
  T* data = nullptr;
  size_t size = 0;

  operator Span<const T>() const { return {data, size}; }
};

// [O, KH, KW, I] for kConv2d, [C, KH, KW] for kDepthwiseConv2d, [O, I] for kLinear: output channel first, always.
struct Weights {
  WeightType type = WeightType::kF32;
  // Overwritten with their product where there are factors: a copy would cost more than everything else in loading.
  Span<float> f32;
  // For kF32: what each output channel's weights are multiplied by, in double; none where empty. This is how a batch
  // norm is folded, off the main thread.
  Span<const double> factors;
  // kQC8: symmetric, one scale per output channel.
  Span<const int8_t> qc8;
  Span<const float> scales;
  // kQU8: one scale and zero point.
  Span<const uint8_t> qu8;
  float scale = 0;
  int32_t zero_point = 0;
};

struct Layer {
  Op op = Op::kConvert;
  std::string name;
  std::vector<uint32_t> inputs;
  uint32_t output = 0;

  // The rest is for layers with weights.
  std::array<uint32_t, 2> kernel{1, 1};
  std::array<uint32_t, 2> stride{1, 1};
  std::array<uint32_t, 4> padding{};  // top, right, bottom, left
  Weights weights;
  Span<const float> bias_f32;
  Span<const int32_t> bias_i32;  // beside kQS8 and kQU8 inputs, in units of input scale * weight scale
  float min = 0;
  float max = 0;

  bool has_weights() const { return op == Op::kConv2d || op == Op::kDepthwiseConv2d || op == Op::kLinear; }
};

struct Plan {
  std::vector<Value> values;
  std::vector<Layer> layers;
  uint32_t input = 0;
  std::vector<uint32_t> outputs;
};

size_t ElementCount(const Value& value);

const char* ToString(ValueType type);
const char* ToString(Op op);

// Checks everything XNNPACK takes on trust: indices, shapes, array lengths, types that fit together, finite scales.
// Throws Error naming the layer or value.
void Validate(const Plan& plan);

}  // namespace neonsense::engine
