// Each variant of the 1x1 kernels against the scalar one.

#include <cmath>
#include <cstring>
#include <ostream>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "engine/cpu.h"
#include "engine/float_weights.h"
#include "kernels/packing.h"
#include "kernels/pointwise.h"
#include "pointwise_cases.h"

namespace neonsense::kernels {

void PrintTo(const PointwiseVariant<float>& variant, std::ostream* out) { *out << variant.name; }

namespace test {
namespace {

constexpr PointwiseShape kShapes[] = {
    // Layers of MobileNetV3-Small.
    {784, 24, 88},
    {196, 240, 40},
    {196, 48, 144},
    {49, 96, 576},
    // Rows that are no multiple of a tile, from the fewest on.
    {16, 16, 24},
    {17, 16, 24},
    {30, 8, 12},
    {31, 8, 48},
    // Channels that are none of a vector, and less than one.
    {28, 1, 1},
    {28, 2, 3},
    {28, 3, 4},
    {28, 5, 7},
    {28, 7, 9},
    {28, 9, 13},
    {28, 11, 17},
    {28, 17, 31},
    {28, 31, 33},
    {28, 33, 25},
};

// Memory of exactly the size that is needed, so that a sanitizer sees what is read beyond.
template <typename Number>
std::vector<Number> RunKernel(const PointwiseShape& shape, const Activation& activation,
                              const PointwiseVariant<Number>& variant, const std::vector<float>& numbers) {
  const std::vector<Number> weights = engine::RoundedTo<Number>(
      PackChannels(shape.out_channels, shape.in_channels, variant.channels,
                   RandomNumbers<float>(shape.out_channels * shape.in_channels, 1, -2, 2).data(),
                   RandomNumbers<float>(shape.out_channels, 2, -2, 2).data()));
  std::vector<Number> input = engine::RoundedTo<Number>(numbers);
  std::vector<Number> output = engine::RoundedTo<Number>(std::vector<float>(shape.rows * shape.out_channels, NAN));
  input.shrink_to_fit();
  output.shrink_to_fit();
  RunPointwiseInParts(variant,
                      PointwiseArguments<Number>{shape, activation, weights.data(), input.data(), output.data()});
  return output;
}

std::vector<float> RandomInput(const PointwiseShape& shape) {
  return RandomNumbers<float>(shape.rows * shape.in_channels, 3, -1, 1);
}

class PointwiseKernels : public testing::TestWithParam<std::tuple<PointwiseVariant<float>, PointwiseShape>> {
 protected:
  void ExpectMatchesScalar(const Activation& activation) const {
    const auto& [variant, shape] = GetParam();
    if (!variant.runs_on(engine::KernelFeatures())) GTEST_SKIP() << "not on this CPU";
    const std::vector<float> input = RandomInput(shape);
    const std::vector<float> expected = RunKernel(shape, activation, PointwiseVariants().front(), input);
    const std::vector<float> actual = RunKernel(shape, activation, variant, input);
    for (size_t i = 0; i < expected.size(); i++) ASSERT_NEAR(actual[i], expected[i], 5e-5f) << "at element " << i;
  }

  void ExpectNanStays(const Activation& activation) const {
    const auto& [variant, shape] = GetParam();
    if (!variant.runs_on(engine::KernelFeatures())) GTEST_SKIP() << "not on this CPU";
    std::vector<float> input = RandomInput(shape);
    input[input.size() / 2] = NAN;
    const std::vector<float> expected = RunKernel(shape, activation, PointwiseVariants().front(), input);
    const std::vector<float> actual = RunKernel(shape, activation, variant, input);
    for (size_t i = 0; i < expected.size(); i++) {
      ASSERT_EQ(std::isnan(actual[i]), std::isnan(expected[i])) << "at element " << i;
    }
  }
};

TEST_P(PointwiseKernels, ClampAsTheScalarOneDoes) { ExpectMatchesScalar({Activation::Kind::kClamp, -1.5f, 3}); }

TEST_P(PointwiseKernels, ApplyHardSwishAsTheScalarOneDoes) { ExpectMatchesScalar({Activation::Kind::kHardSwish}); }

TEST_P(PointwiseKernels, ClampNoNanAway) { ExpectNanStays({Activation::Kind::kClamp, -1.5f, 3}); }

TEST_P(PointwiseKernels, LetHardSwishKeepNan) { ExpectNanStays({Activation::Kind::kHardSwish}); }

INSTANTIATE_TEST_SUITE_P(AllVariants, PointwiseKernels,
                         testing::Combine(testing::ValuesIn(PointwiseVariants()), testing::ValuesIn(kShapes)));

#if defined(__aarch64__)

class PointwiseHalfKernel : public testing::TestWithParam<PointwiseShape> {};

// Sums are rounded to halves at each step.
TEST_P(PointwiseHalfKernel, IsTheScalarOneButForRounding) {
  const PointwiseVariant<Half>* variant = ChoosePointwiseHalf(engine::KernelFeatures());
  if (variant == nullptr) GTEST_SKIP() << "not on this CPU";
  const PointwiseShape& shape = GetParam();
  const std::vector<float> input = RandomInput(shape);
  const Activation activations[] = {{Activation::Kind::kClamp, -1.5f, 3}, {Activation::Kind::kHardSwish}};
  for (const Activation& activation : activations) {
    const std::vector<float> expected = RunKernel(shape, activation, PointwiseVariants().front(), input);
    const std::vector<Half> actual = RunKernel(shape, activation, *variant, input);
    const float error = 0.004f * static_cast<float>(4 + shape.in_channels / 4);
    for (size_t i = 0; i < expected.size(); i++) {
      __fp16 number;
      std::memcpy(&number, &actual[i], sizeof number);
      ASSERT_NEAR(static_cast<float>(number), expected[i], error) << "at element " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, PointwiseHalfKernel, testing::ValuesIn(kShapes));

#endif

}  // namespace
}  // namespace test
}  // namespace neonsense::kernels
