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
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

class UnsoundPlans : public testing::TestWithParam<Damage> {};

// value0 input [9, 9, 3] -> value1 qs8 -> layer1 conv 3x3 stride 2 -> value2 qs8 [5, 5, 8] -> value3 f32
PlanBuilder SoundPlan() {
  return WeightedPlan(Op::kConv2d, {9, 9, 3}, {5, 5, 8}, {ValueType::kQS8, 0.02f, 3}, {ValueType::kQS8, 0.25f, 1}, 3, 2,
                      1);
}

TEST(Validate, AcceptsASoundPlan) {
  const PlanBuilder builder = SoundPlan();
  EXPECT_NO_THROW(Validate(builder.plan));
}

TEST_P(UnsoundPlans, AreRefused) {
  PlanBuilder builder = SoundPlan();
  GetParam().apply(builder.plan);
  EXPECT_THROW(Validate(builder.plan), Error);
}

const float kNan = std::numeric_limits<float>::quiet_NaN();
const float kInfinity = std::numeric_limits<float>::infinity();
const float kZeroScales[8] = {1, 1, 1, 0, 1, 1, 1, 1};

INSTANTIATE_TEST_SUITE_P(
    Validate, UnsoundPlans,
    testing::Values(
        Damage{"no values", [](Plan& p) { p.values.clear(); }},
        Damage{"no layers", [](Plan& p) { p.layers.clear(); }},
        Damage{"no outputs", [](Plan& p) { p.outputs.clear(); }},
        Damage{"output out of range", [](Plan& p) { p.outputs = {99}; }},
        Damage{"output is quantized", [](Plan& p) { p.outputs = {2}; }},
        Damage{"output is the input", [](Plan& p) { p.outputs = {0}; }},
        Damage{"output listed twice", [](Plan& p) { p.outputs = {3, 3}; }},
        Damage{"input out of range", [](Plan& p) { p.input = 99; }},
        Damage{"input is quantized", [](Plan& p) { p.input = 1; }},
        Damage{"dimension of zero", [](Plan& p) { p.values[0].shape[1] = 0; }},
        Damage{"dimension whose product overflows",
               [](Plan& p) { p.values[0].shape = {65536, 65536, 65536}; }},
        Damage{"dimension beyond size_t halves", [](Plan& p) { p.values[0].shape[0] = ~size_t{0}; }},
        Damage{"scale of zero", [](Plan& p) { p.values[1].scale = 0; }},
        Damage{"scale not finite", [](Plan& p) { p.values[1].scale = kInfinity; }},
        Damage{"scale not a number", [](Plan& p) { p.values[1].scale = kNan; }},
        Damage{"subnormal scale", [](Plan& p) { p.values[1].scale = 1e-40f; }},
        Damage{"zero point below int8", [](Plan& p) { p.values[1].zero_point = -129; }},
        Damage{"zero point above int8", [](Plan& p) { p.values[1].zero_point = 128; }},
        Damage{"layer reads out of range", [](Plan& p) { p.layers[1].inputs = {4}; }},
        Damage{"layer writes out of range", [](Plan& p) { p.layers[1].output = 4; }},
        Damage{"layer without inputs", [](Plan& p) { p.layers[1].inputs.clear(); }},
        Damage{"layer with one input too many", [](Plan& p) { p.layers[1].inputs = {1, 1}; }},
        Damage{"layer reads what is not written yet", [](Plan& p) { std::swap(p.layers[0], p.layers[1]); }},
        Damage{"value written twice", [](Plan& p) { p.layers.push_back(p.layers[2]); }},
        Damage{"kernel of zero", [](Plan& p) { p.layers[1].kernel[0] = 0; }},
        Damage{"kernel larger than the input", [](Plan& p) { p.layers[1].kernel = {12, 12}; }},
        Damage{"huge kernel", [](Plan& p) { p.layers[1].kernel = {1u << 31, 3}; }},
        Damage{"stride of zero", [](Plan& p) { p.layers[1].stride[1] = 0; }},
        Damage{"huge padding", [](Plan& p) { p.layers[1].padding[2] = ~0u; }},
        Damage{"output of another size", [](Plan& p) { p.values[2].shape[0] = 6; }},
        Damage{"weights too short", [](Plan& p) { p.layers[1].weights.qc8.size--; }},
        Damage{"weights too long", [](Plan& p) { p.layers[1].weights.qc8.size++; }},
        Damage{"scales too short", [](Plan& p) { p.layers[1].weights.scales.size--; }},
        Damage{"scale of zero in a channel",
               [](Plan& p) { p.layers[1].weights.scales = {kZeroScales, 8}; }},
        Damage{"bias too short", [](Plan& p) { p.layers[1].bias_i32.size--; }},
        Damage{"bias of the wrong type",
               [](Plan& p) {
                 p.layers[1].bias_i32 = {};
                 p.layers[1].bias_f32 = {kZeroScales, 8};
               }},
        Damage{"weights of a type the input can't take", [](Plan& p) { p.layers[1].weights.type = WeightType::kF32; }},
        Damage{"output of a type the input can't give",
               [](Plan& p) {
                 p.values[2].type = ValueType::kF32;
                 p.layers.pop_back();
                 p.outputs = {2};
               }},
        Damage{"min above max",
               [](Plan& p) {
                 p.layers[1].min = 1;
                 p.layers[1].max = 0;
               }},
        Damage{"min not a number", [](Plan& p) { p.layers[1].min = kNan; }},
        Damage{"conversion to another shape", [](Plan& p) { p.values[3].shape = {5, 5, 4}; }},
        Damage{"conversion between equal types", [](Plan& p) { p.values[1].type = ValueType::kF32; }},
        Damage{"more values than any network has", [](Plan& p) { p.values.resize(5000, p.values[0]); }}));

}  // namespace
}  // namespace neonsense::engine::test
