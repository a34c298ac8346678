// Lifetime, threads and profile of a Session.

#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "engine/error.h"
#include "engine/session.h"
#include "plans.h"
#include "reference.h"

namespace neonsense::engine::test {
namespace {

std::unique_ptr<PlanBuilder> SmallNetwork() {
  auto builder = std::make_unique<PlanBuilder>(3);
  const uint32_t input = builder->AddValue({32, 32, 3}, ValueType::kF32);
  const uint32_t features = builder->AddValue({16, 16, 16}, ValueType::kF32);
  const uint32_t pooled = builder->AddValue({1, 1, 16}, ValueType::kF32);
  const uint32_t logits = builder->AddValue({1, 1, 5}, ValueType::kF32);
  builder->AddWeighted(Op::kConv2d, input, features, 3, 2, 1);
  builder->AddPlain(Op::kGlobalAveragePool, {features}, pooled);
  builder->AddWeighted(Op::kLinear, pooled, logits);
  builder->plan.input = input;
  builder->plan.outputs = {logits};
  return builder;
}

TEST(Session, NeedsThePlansArraysOnlyWhileItIsBuilt) {
  auto builder = SmallNetwork();
  const std::vector<float> input = builder->RandomFloats(32 * 32 * 3, -1, 1);
  const std::vector<float> expected = RunReference(builder->plan, input);
  Session session(builder->plan, {});
  builder.reset();
  std::vector<float> actual(5);
  session.Run(input.data(), actual.data());
  for (size_t i = 0; i < 5; i++) EXPECT_NEAR(actual[i], expected[i], 1e-4f);
}

TEST(Session, GivesTheSameResultOnSeveralThreads) {
  const auto builder = SmallNetwork();
  const std::vector<float> input = builder->RandomFloats(32 * 32 * 3, -1, 1);
  std::vector<float> one(5), four(5);
  SessionOptions options;
  Session(builder->plan, options).Run(input.data(), one.data());
  options.threads = 4;
  Session(builder->plan, options).Run(input.data(), four.data());
  EXPECT_EQ(one, four);
}

TEST(Session, GivesBackEveryOutputInOrder) {
  const auto builder = SmallNetwork();
  builder->plan.outputs = {3, 2};
  const std::vector<float> input = builder->RandomFloats(32 * 32 * 3, -1, 1);
  Session session(builder->plan, {});
  ASSERT_EQ(session.output_size(), 21u);
  std::vector<float> both(21);
  session.Run(input.data(), both.data());
  builder->plan.outputs = {2};
  builder->plan.layers.pop_back();
  builder->plan.values.pop_back();
  std::vector<float> pooled(16);
  Session(builder->plan, {}).Run(input.data(), pooled.data());
  EXPECT_EQ(std::vector<float>(both.begin() + 5, both.end()), pooled);
}

TEST(Session, RefusesThreadCountsOutOfRange) {
  const auto builder = SmallNetwork();
  SessionOptions options;
  options.threads = 0;
  EXPECT_THROW(Session(builder->plan, options), Error);
  options.threads = 257;
  EXPECT_THROW(Session(builder->plan, options), Error);
}

TEST(Session, NamesTheLayersInItsProfile) {
  const auto builder = SmallNetwork();
  SessionOptions options;
  options.profile = true;
  Session session(builder->plan, options);
  const std::vector<float> input(32 * 32 * 3);
  std::vector<float> output(5);
  session.Run(input.data(), output.data());
  const std::vector<OperatorTime> operators = session.Profile();
  ASSERT_EQ(operators.size(), 3u);
  EXPECT_EQ(operators[2].layer, "layer2");
  EXPECT_NE(operators[0].name.find("Convolution"), std::string::npos);
}

TEST(Session, HasNoProfileUnlessAsked) {
  const auto builder = SmallNetwork();
  EXPECT_THROW(Session(builder->plan, {}).Profile(), Error);
}

TEST(Session, SessionsRunSideBySideOnThreadsOfTheirOwn) {
  const auto builder = SmallNetwork();
  const std::vector<float> input = builder->RandomFloats(32 * 32 * 3, -1, 1);
  std::vector<std::vector<float>> results(4, std::vector<float>(5));
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back([&] {
      Session session(builder->plan, {});
      for (int i = 0; i < 20; i++) session.Run(input.data(), result.data());
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, results[0]);
}

}  // namespace
}  // namespace neonsense::engine::test
