// What becomes of a plan in half precision. That it computes the right thing is tested where CPUs have it: test/arm64.

#include <gtest/gtest.h>

#include "engine/error.h"
#include "engine/half_precision.h"
#include "engine/session.h"
#include "plans.h"

namespace neonsense::engine::test {
namespace {

TEST(HalfPrecision, ConvertsImageAndOutputsAndNothingElse) {
  PlanBuilder builder = WeightedPlan(Op::kConv2d, {8, 8, 3}, {8, 8, 5}, kFloat, kFloat, 3, 1, 1);
  const Plan half = InHalfPrecision(builder.plan);
  ASSERT_EQ(half.layers.size(), 3u);
  EXPECT_EQ(half.layers.front().op, Op::kConvert);
  EXPECT_EQ(half.layers.front().inputs[0], half.input);
  EXPECT_EQ(half.values[half.input].type, ValueType::kF32);
  EXPECT_EQ(half.layers[1].inputs[0], half.layers.front().output);
  EXPECT_EQ(half.values[half.layers[1].inputs[0]].type, ValueType::kF16);
  EXPECT_EQ(half.values[half.layers[1].output].type, ValueType::kF16);
  EXPECT_EQ(half.layers.back().op, Op::kConvert);
  EXPECT_EQ(half.layers.back().output, half.outputs[0]);
  EXPECT_EQ(half.values[half.outputs[0]].type, ValueType::kF32);
}

TEST(HalfPrecision, LeavesAnImageThatIsQuantizedAndItsBytesAlone) {
  constexpr Quantized kCodes{ValueType::kQS8, 0.02f, -7};
  PlanBuilder builder = WeightedPlan(Op::kConv2d, {8, 8, 3}, {8, 8, 5}, kCodes, kCodes, 3, 1, 1);
  const Plan half = InHalfPrecision(builder.plan);
  // As before: quantize, convolve, dequantize; and then to floats.
  ASSERT_EQ(half.layers.size(), 4u);
  EXPECT_EQ(half.layers.front().inputs[0], half.input);
  EXPECT_EQ(half.values[half.input].type, ValueType::kF32);
  EXPECT_EQ(half.values[half.layers[1].inputs[0]].type, ValueType::kQS8);
  EXPECT_EQ(half.values[half.layers[1].output].type, ValueType::kQS8);
  EXPECT_EQ(half.values[half.layers[2].output].type, ValueType::kF16);
}

TEST(HalfPrecision, ComesFromNowhereElse) {
  PlanBuilder builder = WeightedPlan(Op::kLinear, {1, 1, 8}, {1, 1, 4}, kFloat, kFloat);
  builder.plan.values[0].type = ValueType::kF16;
  EXPECT_THROW(Session(builder.plan, {}), Error);
}

}  // namespace
}  // namespace neonsense::engine::test
