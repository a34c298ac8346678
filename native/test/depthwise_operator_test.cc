// Our depthwise operators beside XNNPACK's on the same layer, and when which of them runs.

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "depthwise_cases.h"
#include "engine/cpu.h"
#include "engine/operators/depthwise_operator.h"
#include "engine/operators/xnn_operators.h"
#include "engine/session.h"
#include "engine/status.h"
#include "engine/weights/packed_weights.h"
#include "kernels/depthwise.h"
#include "kernels/depthwise_int8.h"
#include "plans.h"
#include "reference.h"

namespace neonsense::engine::test {
namespace {

using kernels::test::Axis;
using kernels::test::Case;
using kernels::test::kCases;

constexpr Quantized kCodes{ValueType::kQS8, 0.02f, -7};
constexpr Quantized kCoarseCodes{ValueType::kQS8, 0.25f, 11};
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// One depthwise layer, and nothing around it.
PlanBuilder DepthwiseAlone(const Case& c, Quantized from, Quantized to, float min, float max) {
  const Axis vertical(c, c.height);
  const Axis horizontal(c, c.width);
  PlanBuilder builder(static_cast<uint32_t>(c.width * 31 + c.channels));
  const uint32_t in = builder.AddValue({c.height, c.width, c.channels}, from.type, from.scale, from.zero_point);
  const uint32_t out = builder.AddValue({vertical.out, horizontal.out, c.channels}, to.type, to.scale, to.zero_point);
  builder.AddWeighted(Op::kDepthwiseConv2d, in, out, static_cast<uint32_t>(c.kernel), static_cast<uint32_t>(c.stride),
                      0, min, max);
  builder.plan.layers[0].padding = {static_cast<uint32_t>(vertical.before), static_cast<uint32_t>(horizontal.behind),
                                    static_cast<uint32_t>(vertical.behind), static_cast<uint32_t>(horizontal.before)};
  return builder;
}

template <typename T>
class Buffer {
 public:
  explicit Buffer(const Value& value)
      : size_(ElementCount(value)), memory_(new T[size_ + Memory::kSlackBytes / sizeof(T)]()) {
    place_.data = memory_.get();
    place_.type = value.type;
    place_.range = {value.zero_point, value.scale};
  }

  const Place& place() const { return place_; }
  void Fill(const std::vector<float>& numbers) {
    for (size_t i = 0; i < size_; i++) memory_[i] = static_cast<T>(numbers[i]);
  }
  std::vector<T> Contents() const { return {memory_.get(), memory_.get() + size_}; }

 private:
  size_t size_;
  std::unique_ptr<T[]> memory_;
  Place place_;
};

template <typename T>
struct Results {
  std::vector<T> ours;
  std::vector<T> xnnpack;
};

// What our operator and XNNPACK's make of the same random input.
template <typename T>
Results<T> RunBoth(PlanBuilder& builder, float low, float high) {
  InitializeXnnpack();
  const Plan& plan = builder.plan;
  const Layer& layer = plan.layers[0];
  Buffer<T> input(plan.values[0]);
  input.Fill(builder.RandomFloats(ElementCount(plan.values[0]), low, high));
  Buffer<T> ours(plan.values[1]);
  PackedWeights weights;
  MakeDepthwise(plan, {&layer, nullptr}, input.place(), ours.place(), weights, 0)->Run(nullptr);
  Buffer<T> xnnpack(plan.values[1]);
  const ConvolutionWindow window = {layer.kernel, layer.stride, layer.padding, plan.values[0].shape};
  MakeConvolution(layer, window, plan.values[1].shape[2], input.place(), xnnpack.place(), {})->Run(nullptr);
  return {ours.Contents(), xnnpack.Contents()};
}

class DepthwiseOperators : public testing::TestWithParam<Case> {};

TEST_P(DepthwiseOperators, GiveXnnpacksCodesBitForBit) {
  const std::tuple<Quantized, Quantized, float, float> ranges[] = {
      {kCodes, kCoarseCodes, -kInfinity, kInfinity},
      {kCodes, kCoarseCodes, 0, 6},
      // Zero points at both ends, and sums far beyond the codes.
      {{ValueType::kQS8, 0.02f, -128}, {ValueType::kQS8, 0.004f, 127}, -kInfinity, kInfinity},
      {{ValueType::kQS8, 0.02f, 127}, {ValueType::kQS8, 0.05f, -128}, -kInfinity, kInfinity},
  };
  for (const auto& [from, to, min, max] : ranges) {
    PlanBuilder builder = DepthwiseAlone(GetParam(), from, to, min, max);
    if (!HasDepthwiseKernel(builder.plan, builder.plan.layers[0])) GTEST_SKIP() << "no int8 kernel on this CPU";
    const Results<int8_t> results = RunBoth<int8_t>(builder, -128.9f, 127.9f);
    EXPECT_EQ(results.ours, results.xnnpack) << "zero points " << from.zero_point << " and " << to.zero_point;
  }
}

TEST_P(DepthwiseOperators, GiveXnnpacksNumbersButForTheOrderOfSums) {
  PlanBuilder builder = DepthwiseAlone(GetParam(), kFloat, kFloat, -1, 3);
  ASSERT_TRUE(HasDepthwiseKernel(builder.plan, builder.plan.layers[0]));
  const Results<float> results = RunBoth<float>(builder, -2, 2);
  for (size_t i = 0; i < results.ours.size(); i++) {
    ASSERT_NEAR(results.ours[i], results.xnnpack[i], 1e-5f) << "at element " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Geometries, DepthwiseOperators, testing::ValuesIn(kCases));

// input -> codes -> depthwise layer of many channels -> codes -> output
PlanBuilder Int8Depthwise() {
  return WeightedPlan(Op::kDepthwiseConv2d, {14, 14, 200}, {14, 14, 200}, kCodes, kCoarseCodes, 5, 1, 2);
}

std::vector<float> RunOn(PlanBuilder& builder, const std::vector<float>& input, uint32_t threads) {
  SessionOptions options;
  options.threads = threads;
  Session session(builder.plan, options);
  std::vector<float> output(session.output_size());
  session.Run(input.data(), output.data());
  return output;
}

std::string OperatorOf(PlanBuilder& builder, size_t layer) {
  SessionOptions options;
  options.profile = true;
  Session session(builder.plan, options);
  std::vector<float> output(session.output_size());
  session.Run(std::vector<float>(session.input_size()).data(), output.data());
  for (const OperatorTime& time : session.Profile()) {
    if (time.layer == builder.plan.layers[layer].name) return time.name;
  }
  return "none";
}

// Two products are added up in 16 bits, which -128 * -128 twice would overflow.
TEST(Int8Depthwise, IsXnnpacksWhereAWeightIsTheSmallestCode) {
  PlanBuilder builder = Int8Depthwise();
  if (HasDepthwiseKernel(builder.plan, builder.plan.layers[1])) {
    EXPECT_EQ(OperatorOf(builder, 1).rfind("neonsense depthwise int8 5x5 stride 1", 0), 0u);
  }
  const Span<const int8_t> weights = builder.plan.layers[1].weights.qc8;
  std::vector<int8_t> smallest(weights.data, weights.data + weights.size);
  smallest[smallest.size() / 2] = -128;
  builder.plan.layers[1].weights.qc8 = {smallest.data(), smallest.size()};
  EXPECT_FALSE(HasDepthwiseKernel(builder.plan, builder.plan.layers[1]));
  EXPECT_NE(OperatorOf(builder, 1).find("DWConv"), std::string::npos);
  const std::vector<float> input = builder.RandomFloats(ElementCount(builder.plan.values[0]), -2, 2);
  const std::vector<float> expected = RunReference(builder.plan, input);
  const std::vector<float> actual = RunOn(builder, input, 1);
  for (size_t i = 0; i < expected.size(); i++) ASSERT_NEAR(actual[i], expected[i], 0.2501f) << "at element " << i;
}

// What is left of a plan when its weights are packed does not tell which kernel took them.
TEST(Int8Depthwise, IsNotMadeAgainOfPackedWeightsWhereAWeightIsTheSmallestCode) {
  PlanBuilder builder = Int8Depthwise();
  const Span<const int8_t> weights = builder.plan.layers[1].weights.qc8;
  std::vector<int8_t> smallest(weights.data, weights.data + weights.size);
  smallest[0] = -128;
  builder.plan.layers[1].weights.qc8 = {smallest.data(), smallest.size()};
  EXPECT_EQ(Session(builder.plan, {}).Another(1), nullptr);
}

TEST(DepthwiseOperatorThreads, ShareManyChannelsWithoutATraceInTheResult) {
  PlanBuilder floats =
      WeightedPlan(Op::kDepthwiseConv2d, {14, 14, 200}, {7, 7, 200}, kFloat, kFloat, 5, 2, 2, -kInfinity, kInfinity);
  PlanBuilder codes = Int8Depthwise();
  for (PlanBuilder* builder : {&floats, &codes}) {
    const std::vector<float> input = builder->RandomFloats(ElementCount(builder->plan.values[0]), -2, 2);
    const std::vector<float> one = RunOn(*builder, input, 1);
    for (uint32_t threads : {2, 3, 7}) EXPECT_EQ(RunOn(*builder, input, threads), one) << threads << " threads";
  }
}

TEST(DepthwiseOperatorRuns, LeaveNothingBehindForTheNext) {
  PlanBuilder floats =
      WeightedPlan(Op::kDepthwiseConv2d, {14, 14, 200}, {7, 7, 200}, kFloat, kFloat, 5, 2, 2, -kInfinity, kInfinity);
  PlanBuilder codes = Int8Depthwise();
  for (PlanBuilder* builder : {&floats, &codes}) {
    const size_t size = ElementCount(builder->plan.values[0]);
    const std::vector<float> input = builder->RandomFloats(size, -2, 2);
    const std::vector<float> other = builder->RandomFloats(size, -2, 2);
    Session session(builder->plan, {});
    std::vector<float> first(session.output_size()), between(first.size()), again(first.size());
    session.Run(input.data(), first.data());
    session.Run(other.data(), between.data());
    session.Run(input.data(), again.data());
    EXPECT_NE(between, first);
    EXPECT_EQ(again, first);
  }
}

// A build that lost the files with instructions would still pass everything else.
TEST(DepthwiseVariants, AreMoreThanThePlainLoop) {
#if defined(__aarch64__) || defined(__x86_64__)
  EXPECT_GT(kernels::ChooseDepthwise({}).lanes, 1u);
  EXPECT_GT(kernels::DepthwiseInt8Variants().back().lanes, 1u);
#endif
#if defined(__x86_64__)
  const kernels::CpuFeatures features = KernelFeatures();
  EXPECT_STREQ(kernels::ChooseDepthwise(features).name, features.avx512f     ? "AVX-512"
                                                        : features.avx2_fma3 ? "AVX2"
                                                                             : "SSE2");
  EXPECT_STREQ(kernels::ChooseDepthwiseInt8(features).name, features.avx2_fma3 ? "AVX2" : "scalar");
#endif
}

}  // namespace
}  // namespace neonsense::engine::test
