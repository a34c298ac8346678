// Plans that XNNPACK would take on trust and crash on.

#include <cmath>
#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "engine/error.h"
#include "plans.h"

namespace neonsense::engine::test {
namespace {

struct Damage {
  const char* name;
  std::function<void(Plan&)> apply;
  // Part of the message: the check that must refuse it.
  const char* problem;
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

class UnsoundPlans : public testing::TestWithParam<Damage> {};

// value0 input [9, 9, 3] -> value1 qs8 -> layer1 conv 3x3 stride 2 -> value2 qs8 [5, 5, 8] -> value3 f32
PlanBuilder SoundPlan() {
  return WeightedPlan(Op::kConv2d, {9, 9, 3}, {5, 5, 8}, {ValueType::kQS8, 0.02f, 3}, {ValueType::kQS8, 0.25f, 1}, 3, 2,
                      1);
}

void ExpectRefusal(const Plan& plan, const std::string& problem) {
  try {
    Validate(plan);
    ADD_FAILURE() << "was accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(problem), std::string::npos)
        << "refused by another check: " << error.what();
  }
}

TEST(Validate, AcceptsASoundPlan) {
  const PlanBuilder builder = SoundPlan();
  EXPECT_NO_THROW(Validate(builder.plan));
}

TEST_P(UnsoundPlans, AreRefused) {
  PlanBuilder builder = SoundPlan();
  GetParam().apply(builder.plan);
  ExpectRefusal(builder.plan, GetParam().problem);
}

const float kNan = std::numeric_limits<float>::quiet_NaN();
const float kInfinity = std::numeric_limits<float>::infinity();
const float kZeroScales[8] = {1, 1, 1, 0, 1, 1, 1, 1};
const float kLargeScales[8] = {1, 1, 1, 1, 1, 1, 1, 0.25f / 0.02f * 256};
const float kTinyScales[8] = {1, 1, 1, 1, 1, 1, 1, 2e-38f};
const int32_t kLargeBias[8] = {0, 0, 0, 0, 0, 0, 0, std::numeric_limits<int32_t>::max() - 100};

INSTANTIATE_TEST_SUITE_P(
    Validate, UnsoundPlans,
    testing::Values(
        Damage{"no values", [](Plan& p) { p.values.clear(); }, "A plan needs 1 to"},
        Damage{"no layers", [](Plan& p) { p.layers.clear(); }, "A plan needs 1 to"},
        Damage{"no outputs", [](Plan& p) { p.outputs.clear(); }, "at least one output"},
        Damage{"output out of range", [](Plan& p) { p.outputs = {99}; }, "Each output"},
        Damage{"output is quantized", [](Plan& p) { p.outputs = {2}; }, "Each output"},
        Damage{"output is the input", [](Plan& p) { p.outputs = {0}; }, "Each output"},
        Damage{"output listed twice",
               [](Plan& p) {
                 p.outputs = {3, 3};
               },
               "Each output"},
        Damage{"input out of range", [](Plan& p) { p.input = 99; }, "The plan's input"},
        Damage{"input is quantized", [](Plan& p) { p.input = 1; }, "The plan's input"},
        Damage{"dimension of zero", [](Plan& p) { p.values[0].shape[1] = 0; }, "each dimension"},
        Damage{"dimension whose product overflows",
               [](Plan& p) {
                 p.values[0].shape = {65536, 65536, 65536};
               },
               "has no elements or more than"},
        Damage{"dimension beyond size_t halves", [](Plan& p) { p.values[0].shape[0] = ~size_t{0}; }, "each dimension"},
        Damage{"a value nobody reads", [](Plan& p) { p.values.push_back(p.values[0]); }, "neither read"},
        Damage{"a layer whose output nobody reads",
               [](Plan& p) {
                 p.values.push_back(p.values[3]);
                 p.layers.push_back(p.layers[2]);
                 p.layers[3].output = 4;
               },
               "neither read"},
        Damage{"an input nobody reads",
               [](Plan& p) {
                 p.values.push_back(p.values[0]);
                 p.input = 4;
               },
               "before it is written"},
        Damage{"scale of zero", [](Plan& p) { p.values[1].scale = 0; }, "has scale 0"},
        Damage{"scale not finite", [](Plan& p) { p.values[1].scale = kInfinity; }, "has scale inf"},
        Damage{"scale not a number", [](Plan& p) { p.values[1].scale = kNan; }, "has scale nan"},
        Damage{"subnormal scale", [](Plan& p) { p.values[1].scale = 1e-40f; }, "has scale"},
        Damage{"zero point below int8", [](Plan& p) { p.values[1].zero_point = -129; }, "zero point -129"},
        Damage{"zero point above int8", [](Plan& p) { p.values[1].zero_point = 128; }, "zero point 128"},
        Damage{"layer reads out of range", [](Plan& p) { p.layers[1].inputs = {4}; },
               "reads a value that does not exist"},
        Damage{"layer writes out of range", [](Plan& p) { p.layers[1].output = 4; },
               "writes a value that does not exist"},
        Damage{"layer without inputs", [](Plan& p) { p.layers[1].inputs.clear(); }, "takes 1 inputs"},
        Damage{"layer with one input too many",
               [](Plan& p) {
                 p.layers[1].inputs = {1, 1};
               },
               "takes 1 inputs"},
        Damage{"layer reads what is not written yet", [](Plan& p) { std::swap(p.layers[0], p.layers[1]); },
               "before it is written"},
        Damage{"value written twice", [](Plan& p) { p.layers.push_back(p.layers[2]); }, "is written already"},
        Damage{"kernel of zero", [](Plan& p) { p.layers[1].kernel[0] = 0; }, "has a kernel outside"},
        Damage{"kernel larger than the input",
               [](Plan& p) {
                 p.layers[1].kernel = {12, 12};
               },
               "larger than its padded input"},
        Damage{"huge kernel",
               [](Plan& p) {
                 p.layers[1].kernel = {1u << 31, 3};
               },
               "has a kernel outside"},
        Damage{"stride of zero", [](Plan& p) { p.layers[1].stride[1] = 0; }, "has a stride outside"},
        Damage{"huge padding", [](Plan& p) { p.layers[1].padding[2] = ~0u; }, "has a padding outside"},
        Damage{"output of another size", [](Plan& p) { p.values[2].shape[0] = 6; }, "its output is declared as"},
        Damage{"weights too short", [](Plan& p) { p.layers[1].weights.qc8.size--; }, "weights, expected"},
        Damage{"weights too long", [](Plan& p) { p.layers[1].weights.qc8.size++; }, "weights, expected"},
        Damage{"scales too short", [](Plan& p) { p.layers[1].weights.scales.size--; }, "scales, expected"},
        Damage{"scale of zero in a channel",
               [](Plan& p) {
                 p.layers[1].weights.scales = {kZeroScales, 8};
               },
               "needs finite scales"},
        Damage{"rescaling by 256",
               [](Plan& p) {
                 p.layers[1].weights.scales = {kLargeScales, 8};
               },
               "must rescale by"},
        Damage{"scales whose product is subnormal",
               [](Plan& p) {
                 p.layers[1].weights.scales = {kTinyScales, 8};
               },
               "needs input scale * weight scale"},
        Damage{"a bias that an integer holds, but not with what is added to it",
               [](Plan& p) {
                 p.layers[1].bias_i32 = {kLargeBias, 8};
               },
               "can overflow"},
        Damage{"bias too short", [](Plan& p) { p.layers[1].bias_i32.size--; }, "biases of the right type"},
        Damage{"bias of the wrong type",
               [](Plan& p) {
                 p.layers[1].bias_i32 = {};
                 p.layers[1].bias_f32 = {kZeroScales, 8};
               },
               "biases of the right type"},
        Damage{"weights of a type the input can't take", [](Plan& p) { p.layers[1].weights.type = WeightType::kF32; },
               "needs qc8 weights"},
        Damage{"output of a type the input can't give",
               [](Plan& p) {
                 p.values[2].type = ValueType::kF32;
                 p.layers.pop_back();
                 p.outputs = {2};
               },
               "needs qc8 weights and a qs8 output"},
        Damage{"min above max",
               [](Plan& p) {
                 p.layers[1].min = 1;
                 p.layers[1].max = 0;
               },
               "needs min < max"},
        Damage{"min not a number", [](Plan& p) { p.layers[1].min = kNan; }, "needs min < max"},
        Damage{"conversion to another shape",
               [](Plan& p) {
                 p.values[3].shape = {5, 5, 4};
               },
               "its output is declared as"},
        Damage{"conversion between equal types", [](Plan& p) { p.values[1].type = ValueType::kF32; },
               "must quantize f32"},
        Damage{"more values than any network has", [](Plan& p) { p.values.resize(5000, p.values[0]); },
               "A plan needs 1 to"}));

// input f32 -> value1 -> op(value1, value1) -> value2 -> output f32, value1 and value2 of one type
PlanBuilder BinaryPlan(Op op, ValueType type, float in_scale, float out_scale) {
  PlanBuilder builder(5);
  const uint32_t input = builder.AddValue({2, 3, 4}, ValueType::kF32);
  const uint32_t quantized = builder.AddValue({2, 3, 4}, type, in_scale, 3);
  const uint32_t result = builder.AddValue({2, 3, 4}, type, out_scale, 7);
  const uint32_t real = builder.AddValue({2, 3, 4}, ValueType::kF32);
  builder.AddPlain(Op::kConvert, {input}, quantized);
  builder.AddPlain(op, {quantized, quantized}, result);
  builder.AddPlain(Op::kConvert, {result}, real);
  builder.plan.input = input;
  builder.plan.outputs = {real};
  return builder;
}

class Rescaling : public testing::TestWithParam<ValueType> {};

// The bounds of XNNPACK's kernels, to the last bit: both sides of each.
TEST_P(Rescaling, OfAnAdditionIsFrom2To10thPartToBelow256) {
  EXPECT_NO_THROW(Validate(BinaryPlan(Op::kAdd, GetParam(), 0x1p-10f, 1).plan));
  ExpectRefusal(BinaryPlan(Op::kAdd, GetParam(), std::nextafter(0x1p-10f, 0.0f), 1).plan, "input scale / output scale");
  EXPECT_NO_THROW(Validate(BinaryPlan(Op::kAdd, GetParam(), std::nextafter(256.0f, 0.0f), 1).plan));
  ExpectRefusal(BinaryPlan(Op::kAdd, GetParam(), 256, 1).plan, "must rescale by 256 (input scale / output scale)");
}

TEST_P(Rescaling, OfAProductIsFrom2To16thPartToBelow256) {
  EXPECT_NO_THROW(Validate(BinaryPlan(Op::kMultiply, GetParam(), 0x1p-8f, 1).plan));
  ExpectRefusal(BinaryPlan(Op::kMultiply, GetParam(), std::nextafter(0x1p-8f, 0.0f), 1).plan, "product of the input");
  EXPECT_NO_THROW(Validate(BinaryPlan(Op::kMultiply, GetParam(), std::nextafter(16.0f, 0.0f), 1).plan));
  ExpectRefusal(BinaryPlan(Op::kMultiply, GetParam(), 16, 1).plan, "must rescale by 256 (product of the input scales");
}

INSTANTIATE_TEST_SUITE_P(Types, Rescaling, testing::Values(ValueType::kQS8, ValueType::kQU8));

TEST(Rescaling, OfAUint8ConvolutionIsAtLeast2To32ndPart) {
  const auto plan = [](float out_scale) {
    return WeightedPlan(Op::kConv2d, {5, 5, 3}, {5, 5, 4}, {ValueType::kQU8, 0x1p-10f, 3},
                        {ValueType::kQU8, out_scale, 1});
  };
  // The weights' scale is 0.01.
  EXPECT_NO_THROW(Validate(plan(0x1p15f).plan));
  ExpectRefusal(plan(0x1p16f).plan, "must rescale by");
}

TEST(Validate, RefusesToSumUpMoreBytesThanAnIntegerHolds) {
  PlanBuilder builder = BinaryPlan(Op::kAdd, ValueType::kQS8, 1, 1);
  for (size_t i : {0, 1}) builder.plan.values[i].shape = {4096, 4096, 1};
  for (size_t i : {2, 3}) builder.plan.values[i].shape = {1, 1, 1};
  builder.plan.layers[1].op = Op::kGlobalAveragePool;
  builder.plan.layers[1].inputs.pop_back();
  ExpectRefusal(builder.plan, "sums up more bytes");
}

TEST(Validate, RefusesWeightsThatTwoLayersShare) {
  PlanBuilder builder(5);
  const uint32_t input = builder.AddValue({2, 2, 4}, ValueType::kF32);
  const uint32_t middle = builder.AddValue({2, 2, 4}, ValueType::kF32);
  const uint32_t output = builder.AddValue({2, 2, 4}, ValueType::kF32);
  builder.AddWeighted(Op::kConv2d, input, middle);
  builder.AddWeighted(Op::kConv2d, middle, output);
  builder.plan.input = input;
  builder.plan.outputs = {output};
  EXPECT_NO_THROW(Validate(builder.plan));
  builder.plan.layers[1].weights.f32 = builder.plan.layers[0].weights.f32;
  ExpectRefusal(builder.plan, "share weights");
}

}  // namespace
}  // namespace neonsense::engine::test
