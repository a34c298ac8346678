// Plans that are mostly zeros, with SessionOptions::sparse. On an x86 CPU with AVX, where XNNPACK has no sparse
// kernels, these hold for the dense ones; scripts/proof/test-native.sh runs them a second time as on one without.

#include <algorithm>
#include <cmath>
#include <memory>

#include <gtest/gtest.h>

#include "engine/cpu.h"
#include "engine/error.h"
#include "engine/session.h"
#include "plans.h"
#include "reference.h"

namespace neonsense::engine::test {
namespace {

constexpr size_t kSide = 34;
constexpr size_t kClasses = 5;

SessionOptions Sparse(bool profile = false, uint32_t threads = 1) {
  SessionOptions options;
  options.sparse = true;
  options.profile = profile;
  options.threads = threads;
  return options;
}

bool HasSparseKernels() {
  const std::vector<std::string> features = DetectCpu().features;
  return std::count(features.begin(), features.end(), "avx") == 0;
}

// Zeros all weights of the layer but every `keep`th.
void Thin(Layer& layer, size_t keep) {
  for (size_t i = 0; i < layer.weights.f32.size; i++) {
    if (i % keep != 0) layer.weights.f32.data[i] = 0;
  }
}

// Everything a MobileNetV3 has: stem, hard-swish, both depthwise sizes and strides, squeeze-and-excitation, a residual
// sum, a classifier. `keep` of its 1x1 weights: 1 in `keep`.
std::unique_ptr<PlanBuilder> Network(size_t keep) {
  auto builder = std::make_unique<PlanBuilder>(11);
  PlanBuilder& b = *builder;
  const auto value = [&](size_t side, size_t channels) { return b.AddValue({side, side, channels}, ValueType::kF32); };
  const auto pointwise = [&](uint32_t from, uint32_t to) {
    b.AddWeighted(Op::kConv2d, from, to);
    Thin(b.plan.layers.back(), keep);
  };
  const uint32_t image = value(kSide, 3);
  const uint32_t stem = value(17, 8);
  b.AddWeighted(Op::kConv2d, image, stem, 3, 2, 1);
  const uint32_t active = value(17, 8);
  b.AddPlain(Op::kHardSwish, {stem}, active);
  const uint32_t wide = value(17, 22);
  pointwise(active, wide);
  const uint32_t depthwise = value(17, 22);
  b.AddWeighted(Op::kDepthwiseConv2d, wide, depthwise, 5, 1, 2);
  const uint32_t pooled = value(1, 22);
  b.AddPlain(Op::kGlobalAveragePool, {depthwise}, pooled);
  const uint32_t squeezed = value(1, 6);
  b.AddWeighted(Op::kConv2d, pooled, squeezed, 1, 1, 0, 0);
  const uint32_t gate = value(1, 22);
  b.AddWeighted(Op::kConv2d, squeezed, gate, 1, 1, 0, 0, 1);
  const uint32_t scaled = value(17, 22);
  b.AddPlain(Op::kMultiply, {depthwise, gate}, scaled);
  const uint32_t narrow = value(17, 8);
  pointwise(scaled, narrow);
  const uint32_t sum = value(17, 8);
  b.AddPlain(Op::kAdd, {narrow, active}, sum);
  const uint32_t half = value(9, 8);
  b.AddWeighted(Op::kDepthwiseConv2d, sum, half, 3, 2, 1, 0);
  const uint32_t quarter = value(5, 8);
  b.AddWeighted(Op::kDepthwiseConv2d, half, quarter, 5, 2, 2);
  const uint32_t same = value(5, 8);
  b.AddWeighted(Op::kDepthwiseConv2d, quarter, same, 3, 1, 1);
  const uint32_t last = value(5, 40);
  pointwise(same, last);
  const uint32_t features = value(1, 40);
  b.AddPlain(Op::kGlobalAveragePool, {last}, features);
  const uint32_t logits = value(1, kClasses);
  b.AddWeighted(Op::kLinear, features, logits);
  b.plan.input = image;
  b.plan.outputs = {logits};
  return builder;
}

std::vector<float> RunOnce(Session& session, const std::vector<float>& input) {
  std::vector<float> output(session.output_size());
  session.Run(input.data(), output.data());
  return output;
}

size_t CountSparseOperators(const Plan& plan, const std::vector<float>& input) {
  Session session(plan, Sparse(/*profile=*/true));
  RunOnce(session, input);
  const std::vector<OperatorTime> operators = session.Profile();
  return static_cast<size_t>(std::count_if(operators.begin(), operators.end(), [](const OperatorTime& op) {
    return op.name.find("SPMM") != std::string::npos;
  }));
}

TEST(SparseSession, MatchesTheReference) {
  const auto network = Network(5);
  const std::vector<float> input = network->RandomFloats(kSide * kSide * 3, -2, 2);
  const std::vector<float> expected = RunReference(network->plan, input);
  Session session(network->plan, Sparse());
  for (int run = 0; run < 2; run++) {
    const std::vector<float> actual = RunOnce(session, input);
    for (size_t i = 0; i < kClasses; i++) EXPECT_NEAR(actual[i], expected[i], 1e-3f) << "class " << i;
  }
}

TEST(SparseSession, MultipliesFactorsIn) {
  const auto network = Network(5);
  const std::vector<double> factors(40, 0.5);
  for (Layer& layer : network->plan.layers) {
    if (!layer.has_weights()) continue;
    layer.weights.factors = {factors.data(), network->plan.values[layer.output].shape[2]};
  }
  const std::vector<float> input = network->RandomFloats(kSide * kSide * 3, -2, 2);
  const std::vector<float> actual = [&] {
    Session session(network->plan, Sparse());
    return RunOnce(session, input);
  }();
  // The weights have been multiplied in place.
  for (Layer& layer : network->plan.layers) layer.weights.factors = {};
  const std::vector<float> expected = RunReference(network->plan, input);
  for (size_t i = 0; i < kClasses; i++) EXPECT_NEAR(actual[i], expected[i], 1e-3f) << "class " << i;
}

TEST(SparseSession, GivesTheSameResultOnSeveralThreads) {
  const auto network = Network(5);
  const std::vector<float> input = network->RandomFloats(kSide * kSide * 3, -2, 2);
  Session one(network->plan, Sparse());
  Session three(network->plan, Sparse(false, 3));
  EXPECT_EQ(RunOnce(one, input), RunOnce(three, input));
}

TEST(SparseSession, RunsEach1x1ConvolutionOverSeveralPixelsOnASparseKernel) {
  const auto network = Network(5);
  const std::vector<float> input = network->RandomFloats(kSide * kSide * 3, -2, 2);
  EXPECT_EQ(CountSparseOperators(network->plan, input), HasSparseKernels() ? 3u : 0u);
}

TEST(SparseSession, StaysDenseWithAThirdOfTheWeights) {
  const auto network = Network(3);
  const std::vector<float> input = network->RandomFloats(kSide * kSide * 3, -2, 2);
  // The first weight of each layer stays, so it is a little more than a third.
  EXPECT_EQ(CountSparseOperators(network->plan, input), 0u);
}

TEST(SparseSession, StaysDenseWhereAValueOfSeveralPixelsIsAskedFor) {
  const auto network = Network(5);
  network->plan.outputs.push_back(network->plan.layers[2].output);
  const std::vector<float> input = network->RandomFloats(kSide * kSide * 3, -2, 2);
  EXPECT_EQ(CountSparseOperators(network->plan, input), 0u);
}

TEST(SparseSession, StaysDenseWithoutAStemItHasAKernelFor) {
  const auto network = Network(5);
  network->plan.layers[0].padding = {0, 1, 1, 0};
  network->plan.layers[0].kernel = {2, 2};
  network->plan.layers[0].weights.f32.size = 8 * 2 * 2 * 3;
  const std::vector<float> input = network->RandomFloats(kSide * kSide * 3, -2, 2);
  EXPECT_EQ(CountSparseOperators(network->plan, input), 0u);
}

TEST(SparseSession, NamesTheLayersInItsProfile) {
  const auto network = Network(5);
  Session session(network->plan, Sparse(/*profile=*/true));
  RunOnce(session, network->RandomFloats(kSide * kSide * 3, -2, 2));
  const std::vector<OperatorTime> operators = session.Profile();
  ASSERT_EQ(operators.size(), network->plan.layers.size());
  for (size_t i = 0; i < operators.size(); i++) EXPECT_EQ(operators[i].layer, network->plan.layers[i].name);
}

TEST(SparseSession, RefusesWeightsThatAreNotFinite) {
  const auto network = Network(5);
  network->plan.layers[2].weights.f32.data[0] = NAN;
  EXPECT_THROW(Session(network->plan, Sparse()), Error);
}

TEST(SparseSession, IsNotHalfPrecisionToo) {
  const auto network = Network(5);
  SessionOptions options = Sparse();
  options.fp16 = true;
  EXPECT_THROW(Session(network->plan, options), Error);
}

}  // namespace
}  // namespace neonsense::engine::test
