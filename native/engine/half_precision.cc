#include "engine/half_precision.h"

#include <algorithm>
#include <string>
#include <vector>

#include "engine/operators/stem_operator.h"

namespace neonsense::engine {
namespace {

Layer Conversion(const std::string& name, uint32_t from, uint32_t to) {
  Layer layer;
  layer.op = Op::kConvert;
  layer.name = name;
  layer.inputs = {from};
  layer.output = to;
  return layer;
}

uint32_t AddCopy(Plan& plan, uint32_t value, ValueType type) {
  plan.values.push_back(plan.values[value]);
  plan.values.back().type = type;
  return static_cast<uint32_t>(plan.values.size() - 1);
}

}  // namespace

Plan InHalfPrecision(const Plan& plan) {
  Plan half = plan;
  for (size_t i = 0; i < half.values.size(); i++) {
    Value& value = half.values[i];
    if (value.type == ValueType::kF32 && i != half.input) value.type = ValueType::kF16;
  }
  // What quantizes the image reads it as it is.
  const uint32_t image = AddCopy(half, half.input, ValueType::kF16);
  bool is_read = false;
  for (Layer& layer : half.layers) {
    // A stem of ours reads it so too.
    if (layer.op == Op::kConvert || HasStemKernel(half, layer) ||
        std::count(layer.inputs.begin(), layer.inputs.end(), half.input) == 0)
      continue;
    std::replace(layer.inputs.begin(), layer.inputs.end(), half.input, image);
    is_read = true;
  }
  if (is_read) half.layers.insert(half.layers.begin(), Conversion("image to half precision", half.input, image));
  for (uint32_t& output : half.outputs) {
    const uint32_t number = AddCopy(half, output, ValueType::kF32);
    half.layers.push_back(Conversion(half.values[output].name + " from half precision", output, number));
    output = number;
  }
  return half;
}

}  // namespace neonsense::engine
