// Each variant of the int8 depthwise kernels against the scalar one, and that against numbers worked out by hand.

#include <ostream>
#include <random>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "depthwise_cases.h"
#include "engine/cpu.h"
#include "kernels/depthwise_int8.h"

namespace neonsense::kernels {

void PrintTo(const DepthwiseInt8Variant& variant, std::ostream* out) { *out << variant.name; }

namespace test {
namespace {

// How codes become numbers and are clamped.
struct Ranges {
  int8_t input_zero_point = 0;
  int8_t output_zero_point = 0;
  int8_t output_min = -128;
  int8_t output_max = 127;
  float scale = 0.001f;
};

std::vector<int8_t> RandomCodes(size_t count, uint32_t seed, int least) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> numbers(least, 127);
  std::vector<int8_t> codes(count);
  for (int8_t& code : codes) code = static_cast<int8_t>(numbers(random));
  return codes;
}

std::vector<int8_t> RunKernel(const DepthwiseShape& shape, const Ranges& ranges, const DepthwiseInt8Variant& variant,
                              const std::vector<int8_t>& weights, const std::vector<int32_t>& bias,
                              const std::vector<float>& scales, const std::vector<int8_t>& input) {
  const std::vector<uint8_t> packed =
      PackDepthwiseInt8(shape, variant, ranges.input_zero_point, {weights.data(), bias.data(), scales.data()});
  // What lies behind the input is read, but must not matter.
  const std::unique_ptr<int8_t[]> slack = WithSlack<int8_t>(input, 77);
  std::vector<int8_t> output(shape.out_height * shape.out_width * shape.channels, 99);
  DepthwiseInt8Arguments arguments;
  arguments.shape = shape;
  arguments.weights = packed.data();
  arguments.input = slack.get();
  arguments.output = output.data();
  arguments.input_zero_point = ranges.input_zero_point;
  arguments.output_zero_point = ranges.output_zero_point;
  arguments.output_min = ranges.output_min;
  arguments.output_max = ranges.output_max;
  RunInParts(variant, arguments);
  return output;
}

class DepthwiseInt8Kernels : public testing::TestWithParam<std::tuple<DepthwiseInt8Variant, Case>> {
 protected:
  void ExpectMatchesScalar(const Ranges& ranges) const {
    const auto& [variant, geometry] = GetParam();
    if (!variant.runs_on(engine::KernelFeatures())) GTEST_SKIP() << "not on this CPU";
    const DepthwiseShape shape = ShapeOf(geometry);
    const std::vector<int8_t> weights = RandomCodes(shape.channels * shape.kernel * shape.kernel, 1, -127);
    const std::vector<int8_t> input = RandomCodes(shape.height * shape.width * shape.channels, 2, -128);
    std::vector<int32_t> bias;
    std::vector<float> scales;
    for (size_t c = 0; c < shape.channels; c++) {
      bias.push_back(static_cast<int32_t>(c * 997 % 4001) - 2000);
      scales.push_back(ranges.scale * (1 + 0.01f * static_cast<float>(c % 13)));
    }
    EXPECT_EQ(RunKernel(shape, ranges, variant, weights, bias, scales, input),
              RunKernel(shape, ranges, DepthwiseInt8Variants().front(), weights, bias, scales, input));
  }
};

TEST_P(DepthwiseInt8Kernels, GiveTheScalarOnesCodes) { ExpectMatchesScalar({}); }

TEST_P(DepthwiseInt8Kernels, TakeZeroPointsAndClampAsTheScalarOneDoes) {
  ExpectMatchesScalar({-128, 17, -40, 90, 0.0007f});
}

// No sum overflows an integer on its way to a code.
TEST_P(DepthwiseInt8Kernels, SaturateAsTheScalarOneDoes) { ExpectMatchesScalar({127, -128, -128, 127, 255.0f}); }

INSTANTIATE_TEST_SUITE_P(AllVariants, DepthwiseInt8Kernels,
                         testing::Combine(testing::ValuesIn(DepthwiseInt8Variants()), testing::ValuesIn(kCases)));

// One pixel under a 3x3 kernel: all taps but the middle one lie beside it and count nothing, whatever the zero point.
TEST(DepthwiseInt8, RoundsTiesToEven) {
  DepthwiseShape shape;
  shape.height = shape.width = shape.out_height = shape.out_width = 1;
  shape.top = shape.left = 1;
  shape.channels = 4;
  std::vector<int8_t> weights(4 * 9, 100);
  for (size_t c = 0; c < 4; c++) weights[c * 9 + 4] = 1;
  for (const DepthwiseInt8Variant& variant : DepthwiseInt8Variants()) {
    if (!variant.runs_on(engine::KernelFeatures())) continue;
    // (11 - 10) * 1 + bias, times 0.5, plus 3.
    EXPECT_EQ(RunKernel(shape, {10, 3, -128, 127, 0}, variant, weights, {0, 2, -2, -4}, {0.5f, 0.5f, 0.5f, 0.5f},
                        {11, 11, 11, 11}),
              (std::vector<int8_t>{3, 5, 3, 1}))
        << variant.name;
  }
}

}  // namespace
}  // namespace test
}  // namespace neonsense::kernels
