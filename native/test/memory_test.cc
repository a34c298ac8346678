// Where values lie between operators.

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "engine/operators/memory.h"
#include "plans.h"

namespace neonsense::engine::test {
namespace {

std::vector<size_t> Elements(const Plan& plan) {
  std::vector<size_t> elements;
  for (const Value& value : plan.values) elements.push_back(ElementCount(value));
  return elements;
}

size_t BytesOf(const Value& value) { return ElementCount(value) * (value.type == ValueType::kF32 ? sizeof(float) : 1); }

// A network of random depth and widths: layers that read the value before them, sums that read any earlier one.
Plan RandomPlan(uint32_t seed) {
  std::mt19937 random(seed);
  const auto below = [&](size_t count) { return static_cast<uint32_t>(random() % count); };
  Plan plan;
  const auto add_value = [&](std::array<size_t, 3> shape) {
    plan.values.push_back({std::to_string(plan.values.size()), shape, ValueType::kF32, 0, 0});
    return static_cast<uint32_t>(plan.values.size() - 1);
  };
  const auto add_layer = [&](Op op, std::vector<uint32_t> inputs, uint32_t output) {
    Layer layer;
    layer.op = op;
    layer.inputs = std::move(inputs);
    layer.output = output;
    plan.layers.push_back(layer);
  };
  uint32_t last = plan.input = add_value({1 + below(9), 1 + below(9), 1 + below(40)});
  for (uint32_t i = 0, count = 2 + below(30); i < count; i++) {
    const auto shape = plan.values[last].shape;
    const uint32_t kind = below(3);
    const uint32_t output =
        add_value(kind == 0 ? std::array<size_t, 3>{1 + below(9), 1 + below(9), 1 + below(40)} : shape);
    if (kind == 0) {
      add_layer(Op::kConv2d, {last}, output);
    } else if (kind == 1) {
      add_layer(Op::kHardSwish, {last}, output);
    } else {
      uint32_t other = below(output);
      while (plan.values[other].shape != shape) other = below(output);
      add_layer(Op::kAdd, {last, other}, output);
    }
    last = output;
  }
  plan.outputs = {last};
  return plan;
}

TEST(Memory, ValuesThatAreThereAtTheSameTimeLieApart) {
  for (uint32_t seed = 0; seed < 300; seed++) {
    const Plan plan = RandomPlan(seed);
    std::vector<float> image(ElementCount(plan.values[plan.input]));
    std::vector<float> output(ElementCount(plan.values[plan.outputs[0]]));
    const std::vector<Step> steps = SingleSteps(plan);
    Memory memory(plan, steps, Elements(plan), plan.input, image.data(), {output.data()});
    // Runs the plan on names: each value's bytes are written with its number, and must be there when it is read.
    std::vector<std::vector<float>> expected(plan.values.size());
    const auto write = [&](uint32_t value) {
      expected[value].assign(ElementCount(plan.values[value]), static_cast<float>(value + 1));
      std::copy(expected[value].begin(), expected[value].end(), memory[value].as<float>());
    };
    write(plan.input);
    for (const Step& step : steps) {
      for (uint32_t input : step.inputs()) {
        const float* data = memory[input].as<float>();
        ASSERT_EQ(std::vector<float>(data, data + expected[input].size()), expected[input]) << "seed " << seed;
      }
      // What is read while it is written has to be somewhere else, or in the same place for an operator that allows it.
      for (uint32_t input : step.inputs()) {
        const char* const from = memory[input].as<char>();
        const char* const to = memory[step.output()].as<char>();
        const bool apart = from + BytesOf(plan.values[input]) + Memory::kSlackBytes <= to ||
                           to + BytesOf(plan.values[step.output()]) + Memory::kSlackBytes <= from;
        const bool external = input == plan.input || step.output() == plan.outputs[0];
        EXPECT_TRUE(apart || external || (step.works_in_place() && from == to)) << "seed " << seed;
      }
      write(step.output());
    }
  }
}

TEST(Memory, TakesNoMoreThanWhatIsThereAtTheSameTime) {
  Plan plan;
  for (size_t i = 0; i < 8; i++)
    plan.values.push_back({std::to_string(i), {8, 8, i % 2 == 0 ? 16u : 64u}, ValueType::kF32, 0, 0});
  for (uint32_t i = 0; i < 7; i++) {
    Layer layer;
    layer.op = Op::kConv2d;
    layer.inputs = {i};
    layer.output = i + 1;
    plan.layers.push_back(layer);
  }
  plan.input = 0;
  plan.outputs = {7};
  std::vector<float> image(8 * 8 * 16);
  std::vector<float> output(8 * 8 * 64);
  Memory memory(plan, SingleSteps(plan), Elements(plan), plan.input, image.data(), {output.data()});
  EXPECT_LE(memory.all().size, (8 * 8 * (16 + 64)) * sizeof(float) + 4 * Memory::kSlackBytes);
}

}  // namespace
}  // namespace neonsense::engine::test
