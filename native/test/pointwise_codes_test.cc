// Each variant of the 1x1 kernels for bytes with fixed ranges against the scalar one, and our operator beside
// XNNPACK's.

#include "kernels/pointwise_codes.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <ostream>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "engine/cpu.h"
#include "engine/operators/pointwise_codes_operator.h"
#include "engine/operators/xnn_operators.h"
#include "engine/status.h"
#include "engine/thread_pool.h"
#include "engine/weights/packed_weights.h"
#include "plans.h"
#include "pointwise_cases.h"

namespace neonsense::kernels {

void PrintTo(const PointwiseCodesVariant& variant, std::ostream* out) { *out << variant.name; }

namespace test {
namespace {

// Channels that are none of a vector, and less than one, too.
const std::vector<PointwiseShape> kShapes = Int8Shapes({{21, 2, 1}, {28, 14, 17}, {15, 22, 46}});

std::vector<int8_t> RunKernel(const PointwiseShape& shape, const PointwiseCodesVariant& variant) {
  const std::vector<int8_t> weights = RandomWeights(shape, -127.9f, -127);
  const std::vector<float> scales = RandomNumbers<float>(shape.out_channels, 3, 0.0001f, 0.002f);
  const std::vector<int32_t> bias = RandomNumbers<int32_t>(shape.out_channels, 4, -9000, 9000);
  const std::vector<uint8_t> packed =
      PackPointwiseCodes(shape, variant, -77, {weights.data(), bias.data(), scales.data()});
  const std::unique_ptr<int8_t[]> input = RandomCodes(shape);
  // In memory of exactly its size, too.
  const size_t size = shape.rows * shape.out_channels;
  const std::unique_ptr<int8_t[]> output(new int8_t[size]);
  const PointwiseCodesArguments arguments = {shape, packed.data(), input.get(), output.get(), 11, -100, 120};
  RunPointwiseInParts(variant, arguments);
  return {output.get(), output.get() + size};
}

class PointwiseCodesKernels : public testing::TestWithParam<std::tuple<PointwiseCodesVariant, PointwiseShape>> {};

TEST_P(PointwiseCodesKernels, GiveTheSameCodesAsTheScalarOne) {
  const auto& [variant, shape] = GetParam();
  if (!variant.runs_on(engine::KernelFeatures())) GTEST_SKIP() << "not on this CPU";
  ASSERT_TRUE(variant.Supports(shape));
  EXPECT_EQ(RunKernel(shape, variant), RunKernel(shape, PointwiseCodesVariants().front()));
}

INSTANTIATE_TEST_SUITE_P(AllVariants, PointwiseCodesKernels,
                         testing::Combine(testing::ValuesIn(PointwiseCodesVariants()), testing::ValuesIn(kShapes)));

}  // namespace
}  // namespace test
}  // namespace neonsense::kernels

namespace neonsense::engine::test {
namespace {

PlanBuilder PointwiseAlone(std::array<size_t, 3> in, size_t out_channels) {
  PlanBuilder builder(5);
  const uint32_t codes = builder.AddValue(in, ValueType::kQS8, 0.02f, -7);
  const uint32_t out = builder.AddValue({in[0], in[1], out_channels}, ValueType::kQS8, 0.25f, 11);
  builder.AddWeighted(Op::kConv2d, codes, out, 1, 1, 0, 0, 20);
  return builder;
}

TEST(PointwiseCodesOperator, GivesXnnpacksCodesOnSeveralThreads) {
  if (kernels::ChoosePointwiseCodes(KernelFeatures()).channels == 1) GTEST_SKIP() << "no kernel for this CPU";
  InitializeXnnpack();
  const ThreadPoolHandle pool = CreateThreadPool(3);
  for (const std::array<size_t, 3>& in : {std::array<size_t, 3>{14, 14, 40}, {7, 7, 96}, {3, 5, 16}}) {
    PlanBuilder builder = PointwiseAlone(in, 72);
    const Plan& plan = builder.plan;
    const Layer& layer = plan.layers[0];
    ASSERT_TRUE(HasPointwiseCodesKernel(plan, layer));
    std::vector<int8_t> codes(ElementCount(plan.values[0]) + Memory::kSlackBytes);
    for (size_t i = 0; i < codes.size(); i++) codes[i] = static_cast<int8_t>(i * 37 % 256 - 128);
    const size_t size = ElementCount(plan.values[1]);
    std::vector<int8_t> ours(size + Memory::kSlackBytes), xnnpack(size + Memory::kSlackBytes);
    Place input, output;
    input.data = codes.data();
    input.type = output.type = ValueType::kQS8;
    input.range = {plan.values[0].zero_point, plan.values[0].scale};
    output.range = {plan.values[1].zero_point, plan.values[1].scale};
    PackedWeights weights;
    output.data = ours.data();
    MakePointwiseCodes(plan, layer, input, output, weights, 0)->Run(pool.get());
    output.data = xnnpack.data();
    const ConvolutionWindow window = {layer.kernel, layer.stride, layer.padding, in};
    MakeConvolution(layer, window, 72, input, output, {})->Run(nullptr);
    ours.resize(size);
    xnnpack.resize(size);
    EXPECT_EQ(ours, xnnpack);
  }
}

// What is left of a plan when its weights are packed does not tell which kernel took them.
TEST(PointwiseCodesOperator, IsXnnpacksWhereAWeightIsTheSmallestCode) {
  PlanBuilder builder = PointwiseAlone({7, 7, 24}, 40);
  if (kernels::ChoosePointwiseCodes(KernelFeatures()).channels == 1) GTEST_SKIP() << "no kernel for this CPU";
  const Layer& layer = builder.plan.layers[0];
  EXPECT_TRUE(HasPointwiseCodesKernel(builder.plan, layer));
  EXPECT_FALSE(LacksPointwiseCodesKernelForItsWeights(builder.plan, layer));
  const Span<const int8_t> weights = layer.weights.qc8;
  std::vector<int8_t> smallest(weights.data, weights.data + weights.size);
  smallest.back() = -128;
  builder.plan.layers[0].weights.qc8 = {smallest.data(), smallest.size()};
  EXPECT_FALSE(HasPointwiseCodesKernel(builder.plan, layer));
  EXPECT_TRUE(LacksPointwiseCodesKernelForItsWeights(builder.plan, layer));
}

}  // namespace
}  // namespace neonsense::engine::test
