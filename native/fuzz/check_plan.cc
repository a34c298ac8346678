#include "fuzz/check_plan.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "engine/error.h"
#include "engine/plan_bytes.h"
#include "engine/session.h"

namespace neonsense::engine::fuzz {
namespace {

// More takes seconds under sanitizers and finds nothing else.
constexpr size_t kMostElements = 1u << 16;
constexpr double kMostProducts = 1e7;

double Products(const Plan& plan) {
  double products = 0;
  for (const Layer& layer : plan.layers) {
    const Value& output = plan.values[layer.output];
    const double taps = layer.has_weights() ? static_cast<double>(layer.kernel[0]) * layer.kernel[1] : 1;
    const double inputs =
        layer.op == Op::kDepthwiseConv2d ? 1 : static_cast<double>(plan.values[layer.inputs[0]].shape[2]);
    products += taps * inputs * static_cast<double>(ElementCount(output));
  }
  return products;
}

bool IsSmall(const Plan& plan) {
  size_t elements = 0;
  for (const Value& value : plan.values) elements += ElementCount(value);
  return elements <= kMostElements && Products(plan) <= kMostProducts;
}

std::vector<float> UnusualImage(size_t size) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float numbers[] = {0, -0.0f, 1, -1, 0.5f, 3, -3, 1e-40f, 1e30f, -1e30f, kInfinity, -kInfinity, NAN, 127, -128};
  std::vector<float> image(size);
  for (size_t i = 0; i < size; i++) image[i] = numbers[i % (sizeof numbers / sizeof *numbers)];
  return image;
}

}  // namespace

bool CheckPlan(const uint8_t* data, size_t size) {
  const auto words = std::make_unique<double[]>(size / sizeof(double) + 1);
  bool accepted = false;
  for (bool sparse : {false, true}) {
    // Packing changes weights.
    std::memcpy(words.get(), data, size);
    try {
      const Plan plan = ReadPlan(reinterpret_cast<uint8_t*>(words.get()), size);
      Validate(plan);
      if (!IsSmall(plan)) return false;
      SessionOptions options;
      options.sparse = sparse;
      options.profile = sparse;
      Session session(plan, options);
      std::vector<float> output(session.output_size());
      for (int run = 0; run < 2; run++) session.Run(UnusualImage(session.input_size()).data(), output.data());
      accepted = true;
    } catch (const Error&) {
      if (!accepted) return false;
    }
  }
  return accepted;
}

}  // namespace neonsense::engine::fuzz
