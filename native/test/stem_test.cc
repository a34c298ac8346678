// Each variant of the stem's kernel against the scalar one, and when it runs.

#include "kernels/stem.h"

#include <cmath>
#include <limits>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "engine/cpu.h"
#include "engine/session.h"
#include "kernels/packing.h"
#include "plans.h"
#include "random_numbers.h"
#include "reference.h"

namespace neonsense::kernels {

void PrintTo(const StemVariant<float>& variant, std::ostream* out) { *out << variant.name; }

namespace test {
namespace {

struct Geometry {
  size_t height;
  size_t width;
  size_t channels;
  // Zeros before and behind, on both axes.
  size_t before;
  size_t behind;
};

void PrintTo(const Geometry& g, std::ostream* out) {
  *out << g.height << "x" << g.width << " to " << g.channels << " channels, " << g.before << " before, " << g.behind
       << " behind";
}

const Geometry kGeometries[] = {
    {20, 224, 16, 1, 1}, {20, 224, 16, 0, 1}, {9, 61, 24, 1, 1}, {8, 30, 7, 1, 1}, {7, 57, 40, 1, 0},
    {5, 31, 17, 0, 0},   {3, 3, 8, 0, 0},     {1, 1, 16, 1, 1},  {2, 2, 33, 0, 1}, {4, 29, 1, 1, 1},
};

StemShape ShapeOf(const Geometry& g) {
  StemShape shape;
  shape.height = g.height;
  shape.width = g.width;
  shape.out_height = (g.height + g.before + g.behind - 3) / 2 + 1;
  shape.out_width = (g.width + g.before + g.behind - 3) / 2 + 1;
  shape.out_channels = g.channels;
  shape.top = shape.left = g.before;
  return shape;
}

std::vector<float> RunKernel(const StemShape& shape, const Activation& activation, const StemVariant<float>& variant,
                             const std::vector<float>& input) {
  const std::vector<float> weights =
      PackChannels(shape.out_channels, StemShape::kTaps, variant.lanes,
                   RandomNumbers<float>(shape.out_channels * StemShape::kTaps, 1, -2, 2).data(),
                   RandomNumbers<float>(shape.out_channels, 2, -2, 2).data());
  // In memory of exactly their sizes, so that a sanitizer sees what is read or written beyond.
  const std::unique_ptr<float[]> image(new float[input.size()]);
  std::copy(input.begin(), input.end(), image.get());
  const size_t size = shape.out_height * shape.out_width * shape.out_channels;
  const std::unique_ptr<float[]> output(new float[size]);
  const StemArguments<float> arguments = {shape, activation, weights.data(), image.get(), output.get()};
  // In parts, as threads share the work.
  variant.run(arguments, 0, shape.out_height / 2);
  variant.run(arguments, shape.out_height / 2, shape.out_height);
  return {output.get(), output.get() + size};
}

class StemKernels : public testing::TestWithParam<std::tuple<StemVariant<float>, Geometry>> {
 protected:
  void ExpectMatchesScalar(const Activation& activation, float middle) const {
    const auto& [variant, geometry] = GetParam();
    if (!variant.runs_on(engine::KernelFeatures())) GTEST_SKIP() << "not on this CPU";
    const StemShape shape = ShapeOf(geometry);
    ASSERT_TRUE(shape.IsSupported());
    std::vector<float> input = RandomNumbers<float>(shape.height * shape.width * StemShape::kChannels, 3, -2, 2);
    input[input.size() / 2] = middle;
    const std::vector<float> expected = RunKernel(shape, activation, StemVariants().front(), input);
    const std::vector<float> actual = RunKernel(shape, activation, variant, input);
    for (size_t i = 0; i < expected.size(); i++) {
      ASSERT_EQ(std::isnan(actual[i]), std::isnan(expected[i])) << "at element " << i;
      if (std::isnan(expected[i])) continue;
      ASSERT_NEAR(actual[i], expected[i], 2e-5f) << "at element " << i;
    }
  }
};

TEST_P(StemKernels, ClampAsTheScalarOneDoes) { ExpectMatchesScalar({Activation::Kind::kClamp, -1.5f, 3}, 0); }

TEST_P(StemKernels, ApplyHardSwishAsTheScalarOneDoes) { ExpectMatchesScalar({Activation::Kind::kHardSwish}, 0); }

// A broken model or picture shows as such, as it does in XNNPACK's operators.
TEST_P(StemKernels, ClampNoNanAway) { ExpectMatchesScalar({Activation::Kind::kClamp, -1.5f, 3}, NAN); }

INSTANTIATE_TEST_SUITE_P(AllVariants, StemKernels,
                         testing::Combine(testing::ValuesIn(StemVariants()), testing::ValuesIn(kGeometries)));

TEST(StemShape, RefusesWhatNoKernelIsMadeFor) {
  const StemShape supported = ShapeOf({8, 8, 16, 1, 1});
  ASSERT_TRUE(supported.IsSupported());
  StemShape shape = supported;
  shape.left = 2;
  EXPECT_FALSE(shape.IsSupported());
  shape = supported;
  shape.out_width = 5;
  EXPECT_FALSE(shape.IsSupported());
}

}  // namespace
}  // namespace test
}  // namespace neonsense::kernels

namespace neonsense::engine::test {
namespace {

// A stem that clamps nothing, and hard-swish behind it.
PlanBuilder SwishedStem(size_t channels, uint32_t stride) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  PlanBuilder builder(7);
  const size_t out = stride == 2 ? 16 : 32;
  const uint32_t input = builder.AddValue({32, 32, channels}, ValueType::kF32);
  const uint32_t sum = builder.AddValue({out, out, 16}, ValueType::kF32);
  const uint32_t result = builder.AddValue({out, out, 16}, ValueType::kF32);
  builder.AddWeighted(Op::kConv2d, input, sum, 3, stride, 1, -kInfinity, kInfinity);
  builder.AddPlain(Op::kHardSwish, {sum}, result);
  builder.plan.input = input;
  builder.plan.outputs = {result};
  return builder;
}

std::vector<OperatorTime> ExpectMatchesReference(PlanBuilder builder) {
  SessionOptions options;
  options.profile = true;
  options.threads = 2;
  Session session(builder.plan, options);
  const std::vector<float> input = builder.RandomFloats(session.input_size(), -2, 2);
  std::vector<float> output(session.output_size());
  session.Run(input.data(), output.data());
  const std::vector<float> expected = RunReference(builder.plan, input);
  for (size_t i = 0; i < expected.size(); i++) EXPECT_NEAR(output[i], expected[i], 1e-4f) << "at element " << i;
  return session.Profile();
}

TEST(Stem, RunsAsOneOperatorWithItsHardSwish) {
  const std::vector<OperatorTime> operators = ExpectMatchesReference(SwishedStem(3, 2));
  if (kernels::ChooseStem(KernelFeatures()).lanes == 1) GTEST_SKIP() << "no kernel for this CPU";
  ASSERT_EQ(operators.size(), 1u);
  EXPECT_EQ(operators[0].name.rfind("neonsense stem hard-swish", 0), 0u) << operators[0].name;
}

TEST(Stem, StaysXnnpacksWhereItIsOfAnotherKind) {
  EXPECT_EQ(ExpectMatchesReference(SwishedStem(4, 2)).size(), 2u);
  EXPECT_EQ(ExpectMatchesReference(SwishedStem(3, 1)).size(), 2u);
}

}  // namespace
}  // namespace neonsense::engine::test
