// Each variant of the 1x1 kernels for bytes against the scalar one, and our operator beside XNNPACK's.

#include "kernels/pointwise_int8.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <ostream>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "engine/cpu.h"
#include "engine/operators/pointwise_int8_operator.h"
#include "engine/operators/xnn_operators.h"
#include "engine/status.h"
#include "engine/thread_pool.h"
#include "engine/weights/packed_weights.h"
#include "plans.h"
#include "pointwise_cases.h"

namespace neonsense::kernels {

void PrintTo(const PointwiseInt8Variant& variant, std::ostream* out) { *out << variant.name; }

namespace test {
namespace {

// Channels that are none of a vector, and less than one, too.
const std::vector<PointwiseShape> kShapes = Int8Shapes({{21, 4, 1}, {28, 12, 17}, {15, 20, 48}});

std::vector<float> RunKernel(const PointwiseShape& shape, const Activation& activation,
                             const PointwiseInt8Variant& variant, int8_t smallest) {
  const std::vector<int8_t> weights = RandomWeights(shape, smallest, smallest);
  const std::vector<float> scales = RandomNumbers<float>(shape.out_channels, 3, 0.001f, 0.02f);
  const std::vector<float> bias = RandomNumbers<float>(shape.out_channels, 4, -2, 2);
  const std::vector<uint8_t> packed = PackPointwiseInt8(shape, variant, {weights.data(), scales.data(), bias.data()});
  const std::unique_ptr<int8_t[]> input = RandomCodes(shape);
  // In memory of exactly its size, too.
  const size_t size = shape.rows * shape.out_channels;
  const std::unique_ptr<float[]> output(new float[size]);
  const PointwiseInt8Arguments arguments = {shape,       activation, packed.data(), input.get(), output.get(),
                                            0.00390625f, -77};
  RunPointwiseInParts(variant, arguments);
  return {output.get(), output.get() + size};
}

class PointwiseInt8Kernels : public testing::TestWithParam<std::tuple<PointwiseInt8Variant, PointwiseShape>> {
 protected:
  void ExpectMatchesScalar(const Activation& activation, float tolerance) const {
    const auto& [variant, shape] = GetParam();
    if (!variant.runs_on(engine::KernelFeatures())) GTEST_SKIP() << "not on this CPU";
    ASSERT_TRUE(variant.Supports(shape));
    const int8_t smallest = variant.takes_smallest ? -128 : -127;
    const std::vector<float> expected = RunKernel(shape, activation, PointwiseInt8Variants().front(), smallest);
    const std::vector<float> actual = RunKernel(shape, activation, variant, smallest);
    for (size_t i = 0; i < expected.size(); i++) ASSERT_NEAR(actual[i], expected[i], tolerance) << "at element " << i;
  }
};

TEST_P(PointwiseInt8Kernels, GiveTheSameNumbersAsTheScalarOne) {
  ExpectMatchesScalar({Activation::Kind::kClamp, -5, 60}, 0);
}

TEST_P(PointwiseInt8Kernels, ApplyHardSwishAsTheScalarOneDoes) {
  ExpectMatchesScalar({Activation::Kind::kHardSwish}, 1e-5f);
}

INSTANTIATE_TEST_SUITE_P(AllVariants, PointwiseInt8Kernels,
                         testing::Combine(testing::ValuesIn(PointwiseInt8Variants()), testing::ValuesIn(kShapes)));

}  // namespace
}  // namespace test
}  // namespace neonsense::kernels

namespace neonsense::engine::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

PlanBuilder PointwiseAlone(std::array<size_t, 3> in, size_t out_channels) {
  PlanBuilder builder(5);
  const uint32_t codes = builder.AddValue(in, ValueType::kQD8);
  const uint32_t out = builder.AddValue({in[0], in[1], out_channels}, ValueType::kF32);
  builder.AddWeighted(Op::kConv2d, codes, out, 1, 1, 0, -kInfinity, kInfinity);
  return builder;
}

TEST(PointwiseInt8Operator, GivesXnnpacksNumbersBitForBitOnSeveralThreads) {
  if (kernels::ChoosePointwiseInt8(KernelFeatures()).channels == 1) GTEST_SKIP() << "no kernel for this CPU";
  InitializeXnnpack();
  PlanBuilder builder = PointwiseAlone({14, 14, 40}, 120);
  const Plan& plan = builder.plan;
  const Layer& layer = plan.layers[0];
  ASSERT_TRUE(HasPointwiseInt8Kernel(plan, layer));
  std::vector<int8_t> codes(14 * 14 * 40 + Memory::kSlackBytes);
  std::vector<float> numbers = builder.RandomFloats(codes.size(), -128, 127);
  std::transform(numbers.begin(), numbers.end(), codes.begin(), [](float code) { return static_cast<int8_t>(code); });
  // Those behind the first are copies, for kernels that read ahead.
  std::vector<xnn_quantization_params> params(1 + XNN_EXTRA_QUANTIZATION_PARAMS, {-13, 0.0173f});
  const size_t size = 14 * 14 * 120;
  std::vector<float> xnnpacks(size + Memory::kSlackBytes);
  std::vector<float> ours(size + Memory::kSlackBytes);
  Place input;
  input.type = ValueType::kQD8;
  input.data = codes.data();
  input.params = params.data();
  Place output;
  output.data = xnnpacks.data();
  MakeConvolution(layer, {{1, 1}, {1, 1}, {0, 0, 0, 0}, {14, 14, 40}}, 120, input, output, {})->Run(nullptr);
  output.data = ours.data();
  PackedWeights weights;
  const ThreadPoolHandle pool = CreateThreadPool(3);
  MakePointwiseInt8(plan, {&layer, nullptr}, input, output, weights, 0)->Run(pool.get());
  xnnpacks.resize(size);
  ours.resize(size);
  EXPECT_EQ(ours, xnnpacks);
}

TEST(PointwiseInt8Operator, IsNotForSinglePixelsAndChannelsThatDoNotFit) {
  PlanBuilder pixel = PointwiseAlone({1, 1, 96}, 24);
  EXPECT_FALSE(HasPointwiseInt8Kernel(pixel.plan, pixel.plan.layers[0]));
  PlanBuilder odd = PointwiseAlone({7, 7, 35}, 24);
  EXPECT_FALSE(HasPointwiseInt8Kernel(odd.plan, odd.plan.layers[0]));
  PlanBuilder many = PointwiseAlone({3, 3, 1028}, 8);
  EXPECT_FALSE(HasPointwiseInt8Kernel(many.plan, many.plan.layers[0]));
}

// What is left of a plan when its weights are packed does not tell which kernel took them.
TEST(PointwiseInt8Operator, IsXnnpacksWhereAWeightIsTheSmallestCodeThatDoesNotFit) {
  PlanBuilder builder = PointwiseAlone({7, 7, 24}, 40);
  const Layer& layer = builder.plan.layers[0];
  const kernels::PointwiseInt8Variant& variant = kernels::ChoosePointwiseInt8(KernelFeatures());
  if (variant.channels == 1) GTEST_SKIP() << "no kernel for this CPU";
  EXPECT_TRUE(HasPointwiseInt8Kernel(builder.plan, layer));
  EXPECT_FALSE(LacksPointwiseInt8KernelForItsWeights(builder.plan, layer));
  const Span<const int8_t> weights = layer.weights.qc8;
  std::vector<int8_t> smallest(weights.data, weights.data + weights.size);
  smallest.back() = -128;
  builder.plan.layers[0].weights.qc8 = {smallest.data(), smallest.size()};
  EXPECT_EQ(HasPointwiseInt8Kernel(builder.plan, layer), variant.takes_smallest);
  EXPECT_EQ(LacksPointwiseInt8KernelForItsWeights(builder.plan, layer), !variant.takes_smallest);
}

}  // namespace
}  // namespace neonsense::engine::test
