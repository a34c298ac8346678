// Each variant of the depthwise kernels against the scalar one.

#include <cmath>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "depthwise_cases.h"
#include "engine/cpu.h"
#include "kernels/depthwise.h"
#include "random_numbers.h"

namespace neonsense::kernels {

void PrintTo(const DepthwiseVariant<float>& variant, std::ostream* out) { *out << variant.name; }

namespace test {
namespace {

std::vector<float> RandomInput(const DepthwiseShape& shape) {
  return RandomNumbers<float>(shape.height * shape.width * shape.channels, 3, -2, 2);
}

std::vector<float> RunKernel(const DepthwiseShape& shape, const Activation& activation,
                             const DepthwiseVariant<float>& variant, const std::vector<float>& input) {
  const std::vector<float> weights = PackDepthwiseWeights(
      shape, variant.lanes, RandomNumbers<float>(shape.channels * shape.kernel * shape.kernel, 1, -2, 2).data(),
      RandomNumbers<float>(shape.channels, 2, -2, 2).data());
  // What lies behind the input is read, but must not matter.
  const std::unique_ptr<float[]> slack = WithSlack(input, NAN);
  std::vector<float> output(shape.out_height * shape.out_width * shape.channels, NAN);
  const DepthwiseArguments<float> arguments = {shape, activation, weights.data(), slack.get(), output.data()};
  RunInParts(variant, arguments);
  return output;
}

class DepthwiseKernels : public testing::TestWithParam<std::tuple<DepthwiseVariant<float>, Case>> {
 protected:
  void ExpectMatchesScalar(const Activation& activation) const {
    const auto& [variant, geometry] = GetParam();
    if (!variant.runs_on(engine::KernelFeatures())) GTEST_SKIP() << "not on this CPU";
    const DepthwiseShape shape = ShapeOf(geometry);
    ASSERT_TRUE(shape.IsSupported());
    const std::vector<float> input = RandomInput(shape);
    const std::vector<float> expected = RunKernel(shape, activation, DepthwiseVariants().front(), input);
    const std::vector<float> actual = RunKernel(shape, activation, variant, input);
    for (size_t i = 0; i < expected.size(); i++) ASSERT_NEAR(actual[i], expected[i], 1e-5f) << "at element " << i;
  }

  void ExpectNanStays(const Activation& activation) const {
    const auto& [variant, geometry] = GetParam();
    if (!variant.runs_on(engine::KernelFeatures())) GTEST_SKIP() << "not on this CPU";
    const DepthwiseShape shape = ShapeOf(geometry);
    std::vector<float> input = RandomInput(shape);
    input[input.size() / 2] = NAN;
    const std::vector<float> expected = RunKernel(shape, activation, DepthwiseVariants().front(), input);
    const std::vector<float> actual = RunKernel(shape, activation, variant, input);
    for (size_t i = 0; i < expected.size(); i++) {
      ASSERT_EQ(std::isnan(actual[i]), std::isnan(expected[i])) << "at element " << i;
    }
  }
};

TEST_P(DepthwiseKernels, ClampAsTheScalarOneDoes) { ExpectMatchesScalar({Activation::Kind::kClamp, -1.5f, 3}); }

TEST_P(DepthwiseKernels, ApplyHardSwishAsTheScalarOneDoes) { ExpectMatchesScalar({Activation::Kind::kHardSwish}); }

// A broken model or picture shows as such, as it does in XNNPACK's operators.
TEST_P(DepthwiseKernels, ClampNoNanAway) { ExpectNanStays({Activation::Kind::kClamp, -1.5f, 3}); }

TEST_P(DepthwiseKernels, LetHardSwishKeepNan) { ExpectNanStays({Activation::Kind::kHardSwish}); }

INSTANTIATE_TEST_SUITE_P(AllVariants, DepthwiseKernels,
                         testing::Combine(testing::ValuesIn(DepthwiseVariants()), testing::ValuesIn(kCases)));

TEST(DepthwiseShape, RefusesWhatNoKernelIsMadeFor) {
  const DepthwiseShape supported = ShapeOf({3, 1, 8, 8, 16, Padding::kTorch});
  ASSERT_TRUE(supported.IsSupported());
  DepthwiseShape shape = supported;
  shape.kernel = 7;
  EXPECT_FALSE(shape.IsSupported());
  shape = supported;
  shape.stride = 3;
  EXPECT_FALSE(shape.IsSupported());
  shape = supported;
  shape.left = 2;
  EXPECT_FALSE(shape.IsSupported());
  shape = supported;
  shape.out_width = 10;
  EXPECT_FALSE(shape.IsSupported());
}

}  // namespace
}  // namespace test
}  // namespace neonsense::kernels
