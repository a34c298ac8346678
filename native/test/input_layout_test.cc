// How images are laid out for the stem: every tap where the convolution expects it.

#include "engine/input/input_layout.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "engine/session.h"
#include "plans.h"

namespace neonsense::engine::test {
namespace {

struct Stem {
  std::array<size_t, 3> in;
  std::array<size_t, 3> out;
  uint32_t kernel;
  uint32_t stride;
  uint32_t padding;
};

constexpr Stem kStem{{9, 8, 3}, {5, 4, 4}, 3, 2, 1};
constexpr Quantized kQS8Out{ValueType::kQS8, 0.1f, 0};

// The code that stands for `value`, as round-half-even and saturation make it.
int ExpectedCode(float value, const Value& range) {
  const int lowest = range.type == ValueType::kQS8 ? -128 : 0;
  const double code = std::nearbyint(static_cast<double>(value * (1.0f / range.scale))) + range.zero_point;
  return static_cast<int>(std::min<double>(std::max<double>(code, lowest), lowest + 255));
}

class Patches : public testing::TestWithParam<Quantized> {};

TEST_P(Patches, HoldTheConvertedTapsOfEachOutput) {
  PlanBuilder builder = WeightedPlan(Op::kConv2d, kStem.in, kStem.out, GetParam(), kQS8Out, 3, 2, 1);
  const auto layout = InputLayout::Choose(builder.plan, /*unroll=*/true);
  ASSERT_NE(layout->converted(), InputLayout::kNoLayer);
  ASSERT_EQ(layout->shape(), (std::array<size_t, 3>{5, 4, 27}));
  ASSERT_EQ(layout->bytes(), 5u * 4 * 27);
  // Wide enough that some values saturate.
  const std::vector<float> image = builder.RandomFloats(9 * 8 * 3, -6, 6);
  std::vector<uint8_t> target(layout->bytes() + InputLayout::kSlackBytes);
  layout->Copy(image.data(), target.data());
  const Value& range = builder.plan.values[layout->graph_input()];
  size_t i = 0;
  for (int y = 0; y < 5; y++) {
    for (int x = 0; x < 4; x++) {
      for (int ky = 0; ky < 3; ky++) {
        for (int kx = 0; kx < 3; kx++) {
          for (int c = 0; c < 3; c++, i++) {
            const int row = 2 * y + ky - 1, column = 2 * x + kx - 1;
            const bool inside = row >= 0 && row < 9 && column >= 0 && column < 8;
            const int code = inside ? ExpectedCode(image[(row * 8 + column) * 3 + c], range) : range.zero_point;
            const int actual = range.type == ValueType::kQS8 ? static_cast<int8_t>(target[i]) : target[i];
            ASSERT_EQ(actual, code) << "output " << y << ", " << x << ", tap " << ky << ", " << kx << ", " << c;
          }
        }
      }
    }
  }
}

TEST_P(Patches, RoundTiesToEvenAndSaturateWhatIsNoNumber) {
  PlanBuilder builder = WeightedPlan(Op::kConv2d, {1, 4, 1}, {1, 2, 1}, GetParam(), kQS8Out, 1, 1, 0);
  builder.plan.layers[1].kernel = {1, 3};
  const auto layout = InputLayout::Choose(builder.plan, /*unroll=*/true);
  ASSERT_NE(layout->converted(), InputLayout::kNoLayer);
  const Value& range = builder.plan.values[layout->graph_input()];
  const int lowest = range.type == ValueType::kQS8 ? -128 : 0;
  const float image[4] = {2.5f * range.scale, std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
  std::vector<uint8_t> target(layout->bytes() + InputLayout::kSlackBytes);
  layout->Copy(image, target.data());
  const auto code = [&](size_t i) {
    return range.type == ValueType::kQS8 ? static_cast<int8_t>(target[i]) : target[i];
  };
  EXPECT_EQ(code(0), 2 + range.zero_point);
  EXPECT_EQ(code(1), lowest);
  EXPECT_EQ(code(2), lowest + 255);
  EXPECT_EQ(code(5), lowest);
}

// 0.25 is a power of two, so that ties are ties.
INSTANTIATE_TEST_SUITE_P(Types, Patches,
                         testing::Values(Quantized{ValueType::kQS8, 0.25f, -7}, Quantized{ValueType::kQU8, 0.25f, 9}));

TEST(InputLayout, LeavesTheImageAsItIsWhereItsConversionHasAnotherReader) {
  PlanBuilder builder = WeightedPlan(Op::kConv2d, kStem.in, kStem.out, {ValueType::kQS8, 0.02f, -7}, kQS8Out, 3, 2, 1);
  const uint32_t again = builder.AddValue(kStem.in, ValueType::kF32);
  builder.AddPlain(Op::kConvert, {builder.plan.layers[0].output}, again);
  builder.plan.outputs.push_back(again);
  const auto layout = InputLayout::Choose(builder.plan, /*unroll=*/true);
  EXPECT_EQ(layout->converted(), InputLayout::kNoLayer);
  EXPECT_EQ(layout->unrolled(), InputLayout::kNoLayer);
  EXPECT_EQ(layout->shape(), kStem.in);
}

TEST(InputLayout, KeepsTheRowsOfADynamicallyQuantizedStemInFloat) {
  PlanBuilder builder = WeightedPlan(Op::kConv2d, kStem.in, kStem.out, kDynamic, kFloat, 3, 2, 1);
  const auto layout = InputLayout::Choose(builder.plan, /*unroll=*/true);
  EXPECT_EQ(layout->converted(), InputLayout::kNoLayer);
  EXPECT_EQ(layout->shape(), (std::array<size_t, 3>{9, 4, 9}));
}

TEST(InputLayout, ALayerDoneWhileCopyingIsNotInTheProfile) {
  PlanBuilder builder = WeightedPlan(Op::kConv2d, kStem.in, kStem.out, {ValueType::kQS8, 0.02f, -7}, kQS8Out, 3, 2, 1);
  SessionOptions options;
  options.profile = true;
  Session session(builder.plan, options);
  const std::vector<float> input(session.input_size());
  std::vector<float> output(session.output_size());
  session.Run(input.data(), output.data());
  const std::vector<OperatorTime> operators = session.Profile();
  ASSERT_EQ(operators.size(), 2u);
  EXPECT_EQ(operators[0].layer, builder.plan.layers[1].name);
  EXPECT_EQ(operators[1].layer, builder.plan.layers[2].name);
}

}  // namespace
}  // namespace neonsense::engine::test
