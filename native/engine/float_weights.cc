#include "engine/float_weights.h"

#include <cstring>

#include <fp16/fp16.h>

#include "engine/error.h"

namespace neonsense::engine {
namespace {

float Scale(float weight, double factor) { return static_cast<float>(weight * factor); }

void CheckFinite(const float* numbers, size_t count, const Layer& layer) {
  // Infinity and NaN have all exponent bits set; comparing bits lets the compiler use whole vectors.
  uint32_t found = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    std::memcpy(&bits, numbers + i, sizeof bits);
    found |= static_cast<uint32_t>((bits & 0x7f800000u) == 0x7f800000u);
  }
  if (found != 0) throw Error("Layer '" + layer.name + "' has weights or biases that are not finite");
}

}  // namespace

const float* FoldWeightsInPlace(const Layer& layer) {
  float* weights = layer.weights.f32.data;
  const size_t count = layer.weights.f32.size;
  const Span<const double>& factors = layer.weights.factors;
  if (factors.size != 0) {
    const size_t row = count / factors.size;
    for (size_t o = 0; o < factors.size; o++) {
      for (size_t i = o * row; i < (o + 1) * row; i++) weights[i] = Scale(weights[i], factors.data[o]);
    }
  }
  CheckFinite(weights, count, layer);
  return weights;
}

const float* FiniteBias(const Layer& layer) {
  CheckFinite(layer.bias_f32.data, layer.bias_f32.size, layer);
  return layer.bias_f32.data;
}

template <>
std::vector<float> RoundedTo(std::vector<float> numbers) {
  return numbers;
}

template <>
std::vector<kernels::Half> RoundedTo(std::vector<float> numbers) {
  std::vector<kernels::Half> halves(numbers.size());
  for (size_t i = 0; i < numbers.size(); i++) halves[i] = {fp16_ieee_from_fp32_value(numbers[i])};
  return halves;
}

}  // namespace neonsense::engine
