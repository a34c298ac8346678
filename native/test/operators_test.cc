// Each operator of the engine, in each number type it has, against a scalar reference.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "engine/session.h"
#include "plans.h"
#include "reference.h"

namespace neonsense::engine::test {
namespace {

constexpr Quantized kInQS8{ValueType::kQS8, 0.02f, -7};
constexpr Quantized kInQU8{ValueType::kQU8, 0.02f, 121};

// Compares within `tolerance` in the units of the outputs.
void ExpectMatchesReference(PlanBuilder& builder, float tolerance) {
  const Plan& plan = builder.plan;
  const std::vector<float> input = builder.RandomFloats(ElementCount(plan.values[plan.input]), -2, 2);
  const std::vector<float> expected = RunReference(plan, input);
  Session session(plan, {});
  std::vector<float> actual(session.output_size());
  session.Run(input.data(), actual.data());
  for (size_t i = 0; i < expected.size(); i++) {
    ASSERT_NEAR(actual[i], expected[i], tolerance) << "at element " << i << " of " << expected.size();
  }
}

struct Geometry {
  Op op;
  std::array<size_t, 3> in;
  std::array<size_t, 3> out;
  uint32_t kernel;
  uint32_t stride;
  uint32_t padding;
};

const Geometry kGeometries[] = {
    {Op::kConv2d, {7, 5, 3}, {7, 5, 19}, 1, 1, 0},  {Op::kConv2d, {14, 14, 40}, {14, 14, 120}, 1, 1, 0},
    {Op::kConv2d, {1, 1, 96}, {1, 1, 24}, 1, 1, 0}, {Op::kConv2d, {17, 16, 3}, {9, 8, 16}, 3, 2, 1},
    {Op::kConv2d, {5, 6, 4}, {5, 6, 7}, 3, 1, 1},   {Op::kLinear, {1, 1, 37}, {1, 1, 10}, 1, 1, 0},
};

const Geometry kDepthwise[] = {
    {Op::kDepthwiseConv2d, {9, 9, 33}, {9, 9, 33}, 3, 1, 1},
    {Op::kDepthwiseConv2d, {8, 9, 16}, {4, 5, 16}, 3, 2, 1},
    {Op::kDepthwiseConv2d, {14, 14, 24}, {7, 7, 24}, 5, 2, 2},
    {Op::kDepthwiseConv2d, {7, 7, 19}, {7, 7, 19}, 5, 1, 2},
    {Op::kDepthwiseConv2d, {8, 8, 6}, {6, 6, 6}, 3, 1, 0},
    // None of our own kernels takes it.
    {Op::kDepthwiseConv2d, {9, 8, 12}, {9, 8, 12}, 7, 1, 3},
};

class WeightedLayers : public testing::TestWithParam<Geometry> {
 protected:
  PlanBuilder Build(Quantized from, Quantized to, float min = -1e30f, float max = 1e30f) const {
    const Geometry& g = GetParam();
    return WeightedPlan(g.op, g.in, g.out, from, to, g.kernel, g.stride, g.padding, min, max);
  }
  // Terms that one output sums up: rounding errors grow with it.
  float Terms() const {
    const Geometry& g = GetParam();
    return static_cast<float>(g.kernel * g.kernel * (g.op == Op::kDepthwiseConv2d ? 1 : g.in[2]));
  }
};

class DenseLayers : public WeightedLayers {};

TEST_P(WeightedLayers, MatchTheReferenceInFloat) {
  PlanBuilder builder = Build(kFloat, kFloat);
  ExpectMatchesReference(builder, 1e-6f * Terms() + 1e-5f);
}

TEST_P(WeightedLayers, ClampTheirOutput) {
  PlanBuilder builder = Build(kFloat, kFloat, 0, 1);
  ExpectMatchesReference(builder, 1e-6f * Terms() + 1e-5f);
}

TEST_P(WeightedLayers, MatchTheReferenceInQS8WithinOneStep) {
  PlanBuilder builder = Build(kInQS8, {ValueType::kQS8, 0.25f, 11});
  ExpectMatchesReference(builder, 0.2501f);
}

TEST_P(WeightedLayers, ClampQS8OutputsInRealNumbers) {
  PlanBuilder builder = Build(kInQS8, {ValueType::kQS8, 0.25f, 11}, 0, 6);
  ExpectMatchesReference(builder, 0.2501f);
}

TEST_P(WeightedLayers, MatchTheReferenceInQU8WithinOneStep) {
  PlanBuilder builder = Build(kInQU8, {ValueType::kQU8, 0.25f, 119});
  ExpectMatchesReference(builder, 0.2501f);
}

TEST_P(DenseLayers, QuantizeTheirInputDynamically) {
  PlanBuilder builder = Build(kDynamic, kFloat);
  // An input on the edge between two steps may fall to either side: a few steps of 4/255 times weights up to 2.5.
  ExpectMatchesReference(builder, 0.1f);
}

INSTANTIATE_TEST_SUITE_P(Dense, WeightedLayers, testing::ValuesIn(kGeometries));
INSTANTIATE_TEST_SUITE_P(Depthwise, WeightedLayers, testing::ValuesIn(kDepthwise));
INSTANTIATE_TEST_SUITE_P(Dense, DenseLayers, testing::ValuesIn(kGeometries));

// input -> [quantize] -> op -> [dequantize], where `second` is the shape of a second input computed from the first.
PlanBuilder PlainPlan(Op op, std::array<size_t, 3> in, std::array<size_t, 3> out, Quantized from, Quantized to,
                      bool gate = false) {
  PlanBuilder builder(7);
  const uint32_t input = builder.AddValue(in, ValueType::kF32);
  uint32_t x = input;
  if (from.type != ValueType::kF32) {
    x = builder.AddValue(in, from.type, from.scale, from.zero_point);
    builder.AddPlain(Op::kConvert, {input}, x);
  }
  std::vector<uint32_t> inputs = {x};
  if (gate) {
    const uint32_t pooled = builder.AddValue({1, 1, in[2]}, from.type, from.scale, from.zero_point);
    builder.AddPlain(Op::kGlobalAveragePool, {x}, pooled);
    inputs.push_back(pooled);
  } else if (op == Op::kAdd) {
    inputs.push_back(x);
  }
  uint32_t result = builder.AddValue(out, to.type, to.scale, to.zero_point);
  builder.AddPlain(op, inputs, result);
  if (to.type != ValueType::kF32) {
    const uint32_t real = builder.AddValue(out, ValueType::kF32);
    builder.AddPlain(Op::kConvert, {result}, real);
    result = real;
  }
  builder.plan.input = input;
  builder.plan.outputs = {result};
  return builder;
}

struct TypedCase {
  Quantized from;
  Quantized to;
  float tolerance;
};

class PlainLayers : public testing::TestWithParam<TypedCase> {};

TEST_P(PlainLayers, HardSwishMatchesTheReference) {
  PlanBuilder builder = PlainPlan(Op::kHardSwish, {6, 5, 19}, {6, 5, 19}, GetParam().from, GetParam().to);
  ExpectMatchesReference(builder, GetParam().tolerance);
}

TEST_P(PlainLayers, GlobalAveragePoolMatchesTheReference) {
  PlanBuilder builder = PlainPlan(Op::kGlobalAveragePool, {7, 7, 37}, {1, 1, 37}, GetParam().from, GetParam().to);
  ExpectMatchesReference(builder, GetParam().tolerance);
}

TEST_P(PlainLayers, MultiplyBroadcastsItsSecondInput) {
  PlanBuilder builder = PlainPlan(Op::kMultiply, {6, 5, 19}, {6, 5, 19}, GetParam().from, GetParam().to, true);
  ExpectMatchesReference(builder, 2 * GetParam().tolerance);
}

TEST_P(PlainLayers, AddMatchesTheReference) {
  PlanBuilder builder = PlainPlan(Op::kAdd, {6, 5, 19}, {6, 5, 19}, GetParam().from, GetParam().to);
  ExpectMatchesReference(builder, GetParam().tolerance);
}

INSTANTIATE_TEST_SUITE_P(Types, PlainLayers,
                         testing::Values(TypedCase{kFloat, kFloat, 1e-5f},
                                         TypedCase{kInQS8, {ValueType::kQS8, 0.03f, 3}, 0.0301f},
                                         TypedCase{kInQU8, {ValueType::kQU8, 0.03f, 131}, 0.0301f}));

TEST(Scale, MultipliesEachChannelByItsFactorOnSeveralThreads) {
  PlanBuilder builder(17);
  const uint32_t input = builder.AddValue({11, 9, 21}, ValueType::kF32);
  const uint32_t factors = builder.AddValue({1, 1, 21}, ValueType::kF32);
  const uint32_t result = builder.AddValue({11, 9, 21}, ValueType::kF32);
  builder.AddPlain(Op::kGlobalAveragePool, {input}, factors);
  builder.AddPlain(Op::kMultiply, {input, factors}, result);
  builder.plan.input = input;
  builder.plan.outputs = {result};
  SessionOptions options;
  options.threads = 3;
  options.profile = true;
  Session session(builder.plan, options);
  const std::vector<float> image = builder.RandomFloats(session.input_size(), -2, 2);
  std::vector<float> output(session.output_size());
  session.Run(image.data(), output.data());
  const std::vector<float> expected = RunReference(builder.plan, image);
  for (size_t i = 0; i < expected.size(); i++) ASSERT_NEAR(output[i], expected[i], 1e-5f) << "at element " << i;
  EXPECT_EQ(session.Profile()[1].name, "neonsense scale");
}

// A depthwise layer that clamps nothing, and hard-swish behind it.
PlanBuilder SwishedDepthwise() {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  PlanBuilder builder(11);
  const uint32_t input = builder.AddValue({14, 14, 24}, ValueType::kF32);
  const uint32_t sum = builder.AddValue({14, 14, 24}, ValueType::kF32);
  const uint32_t result = builder.AddValue({14, 14, 24}, ValueType::kF32);
  builder.AddWeighted(Op::kDepthwiseConv2d, input, sum, 5, 1, 2, -kInfinity, kInfinity);
  builder.AddPlain(Op::kHardSwish, {sum}, result);
  builder.plan.input = input;
  builder.plan.outputs = {result};
  return builder;
}

std::vector<OperatorTime> ProfileOf(PlanBuilder& builder) {
  SessionOptions options;
  options.profile = true;
  Session session(builder.plan, options);
  std::vector<float> output(session.output_size());
  session.Run(builder.RandomFloats(session.input_size(), -2, 2).data(), output.data());
  return session.Profile();
}

TEST(DepthwiseThenHardSwish, MatchesTheReferenceAsOneOperator) {
  PlanBuilder builder = SwishedDepthwise();
  ExpectMatchesReference(builder, 1e-4f);
  const std::vector<OperatorTime> operators = ProfileOf(builder);
  ASSERT_EQ(operators.size(), 1u);
  EXPECT_EQ(operators[0].layer, builder.plan.layers[0].name);
  EXPECT_EQ(operators[0].name.rfind("neonsense depthwise 5x5 stride 1 hard-swish", 0), 0u) << operators[0].name;
}

TEST(DepthwiseThenHardSwish, StaysTwoOperatorsWhereTheSumIsGivenBackToo) {
  PlanBuilder builder = SwishedDepthwise();
  builder.plan.outputs = {1, 2};
  ExpectMatchesReference(builder, 1e-4f);
  EXPECT_EQ(ProfileOf(builder).size(), 2u);
}

TEST(DepthwiseThenHardSwish, StaysTwoOperatorsWhereTheSumIsReadElsewhere) {
  PlanBuilder builder = SwishedDepthwise();
  const uint32_t product = builder.AddValue({14, 14, 24}, ValueType::kF32);
  builder.AddPlain(Op::kMultiply, {2, 1}, product);
  builder.plan.outputs = {product};
  ExpectMatchesReference(builder, 1e-3f);
  EXPECT_EQ(ProfileOf(builder).size(), 3u);
}

TEST(DepthwiseThenHardSwish, StaysTwoOperatorsWhereTheSumIsClamped) {
  PlanBuilder builder = SwishedDepthwise();
  builder.plan.layers[0].min = -1;
  ExpectMatchesReference(builder, 1e-4f);
  EXPECT_EQ(ProfileOf(builder).size(), 2u);
}

TEST(DepthwiseThenHardSwish, GivesTheSameOnSeveralThreads) {
  PlanBuilder builder = SwishedDepthwise();
  const std::vector<float> input = builder.RandomFloats(ElementCount(builder.plan.values[0]), -2, 2);
  std::vector<float> one(input.size()), three(input.size());
  SessionOptions options;
  Session(builder.plan, options).Run(input.data(), one.data());
  options.threads = 3;
  Session(builder.plan, options).Run(input.data(), three.data());
  EXPECT_EQ(one, three);
}

}  // namespace
}  // namespace neonsense::engine::test
