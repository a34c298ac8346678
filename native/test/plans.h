#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <vector>

#include "engine/plan.h"

namespace neonsense::engine::test {

// A plan under construction and the arrays it points to.
class PlanBuilder {
 public:
  explicit PlanBuilder(uint32_t seed) : random_(seed) {}

  // Adds a value; scale and zero point matter for kQS8 and kQU8.
  uint32_t AddValue(std::array<size_t, 3> shape, ValueType type, float scale = 0, int32_t zero_point = 0);
  // Adds a layer without weights.
  void AddPlain(Op op, std::vector<uint32_t> inputs, uint32_t output);
  // Adds a layer with random weights and biases of the kind its input takes. Padding is the same on each side.
  void AddWeighted(Op op, uint32_t input, uint32_t output, uint32_t kernel = 1, uint32_t stride = 1,
                   uint32_t padding = 0, float min = -1e30f, float max = 1e30f);

  std::vector<float> RandomFloats(size_t count, float low, float high);

  Plan plan;

 private:
  std::vector<int32_t>& RandomBias(size_t count);

  std::mt19937 random_;
  std::deque<std::vector<float>> floats_;
  std::deque<std::vector<int8_t>> int8s_;
  std::deque<std::vector<uint8_t>> uint8s_;
  std::deque<std::vector<int32_t>> int32s_;
};

// What to put around one layer to test it with float input and output.
struct Quantized {
  ValueType type;
  float scale;
  int32_t zero_point;
};

// input -> [quantize] -> layer -> [dequantize] -> output, for a layer with weights.
PlanBuilder WeightedPlan(Op op, std::array<size_t, 3> in, std::array<size_t, 3> out, Quantized from, Quantized to,
                         uint32_t kernel = 1, uint32_t stride = 1, uint32_t padding = 0, float min = -1e30f,
                         float max = 1e30f);

inline constexpr Quantized kFloat{ValueType::kF32, 0, 0};
inline constexpr Quantized kDynamic{ValueType::kQD8, 0, 0};

}  // namespace neonsense::engine::test
