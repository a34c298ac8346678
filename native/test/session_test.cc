// Lifetime, threads and profile of a Session.

#include <algorithm>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "engine/error.h"
#include "engine/session.h"
#include "engine/weights/weight_block.h"
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

TEST(Session, TakesAnImageThatWasMadeInItsOwnMemory) {
  const auto builder = SmallNetwork();
  Session session(builder->plan, {});
  const std::vector<float> image = builder->RandomFloats(session.input_size(), -1, 1);
  std::vector<float> copied(5), made_there(5);
  session.Run(image.data(), copied.data());
  // Again after a run, which works in the same memory.
  for (int i = 0; i < 2; i++) {
    std::copy(image.begin(), image.end(), session.Staging());
    session.Load(session.Staging());
    session.Invoke();
    session.Read(made_there.data());
    EXPECT_EQ(made_there, copied);
  }
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
  EXPECT_NE(operators[2].name.find("Fully Connected"), std::string::npos);
}

TEST(Session, HasNoProfileUnlessAsked) {
  const auto builder = SmallNetwork();
  EXPECT_THROW(Session(builder->plan, {}).Profile(), Error);
}

// What a session answers to an image.
std::vector<float> Answer(Session& session, const std::vector<float>& input) {
  std::vector<float> output(session.output_size());
  session.Run(input.data(), output.data());
  return output;
}

TEST(Session, SharesPackedWeightsWithAnotherOfTheSameContent) {
  const auto builder = SmallNetwork();
  const auto same = SmallNetwork();
  const std::vector<float> input = builder->RandomFloats(32 * 32 * 3, -1, 1);
  const size_t before = SharedBlockCount();
  auto first = std::make_unique<Session>(builder->plan, SessionOptions{});
  const size_t packed = SharedBlockCount() - before;
  EXPECT_EQ(packed, 2u);
  Session second(same->plan, {});
  EXPECT_EQ(SharedBlockCount() - before, packed);
  const std::vector<float> expected = Answer(*first, input);
  first.reset();
  // They are the second session's as well.
  EXPECT_EQ(SharedBlockCount() - before, packed);
  EXPECT_EQ(Answer(second, input), expected);
}

TEST(Session, PacksOtherWeightsBesideThoseThatAreThere) {
  const auto builder = SmallNetwork();
  const auto other = SmallNetwork();
  other->plan.layers.back().weights.f32.data[0] += 1;
  const std::vector<float> input = builder->RandomFloats(32 * 32 * 3, -1, 1);
  const size_t before = SharedBlockCount();
  Session first(builder->plan, {});
  const std::vector<float> expected = Answer(first, input);
  Session second(other->plan, {});
  EXPECT_EQ(SharedBlockCount() - before, 3u);
  EXPECT_NE(Answer(second, input), expected);
  EXPECT_EQ(Answer(first, input), expected);
}

TEST(Session, GivesPackedWeightsBackWithTheLastThatHasThem) {
  const auto builder = SmallNetwork();
  const size_t before = SharedBlockCount();
  auto first = std::make_unique<Session>(builder->plan, SessionOptions{});
  auto second = first->Another(1);
  first.reset();
  EXPECT_GT(SharedBlockCount(), before);
  second.reset();
  EXPECT_EQ(SharedBlockCount(), before);
}

TEST(Session, AnotherNeedsNoPlanAndGivesTheSameResult) {
  auto builder = SmallNetwork();
  const std::vector<float> input = builder->RandomFloats(32 * 32 * 3, -1, 1);
  auto first = std::make_unique<Session>(builder->plan, SessionOptions{});
  builder.reset();
  const std::vector<float> expected = Answer(*first, input);
  auto second = first->Another(1);
  auto third = second->Another(3);
  first.reset();
  EXPECT_EQ(Answer(*second, input), expected);
  second.reset();
  EXPECT_EQ(Answer(*third, input), expected);
}

TEST(Session, ManyAreMadeRunAndClosedAtTheSameTime) {
  const auto plain = SmallNetwork();
  const std::vector<float> input = plain->RandomFloats(32 * 32 * 3, -1, 1);
  const size_t before = SharedBlockCount();
  std::vector<std::vector<float>> results(8);
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back([&] {
      const auto own = SmallNetwork();
      for (int i = 0; i < 20; i++) {
        auto first = std::make_unique<Session>(own->plan, SessionOptions{});
        const auto second = first->Another(1);
        first.reset();
        result = Answer(*second, input);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, results[0]);
  EXPECT_EQ(SharedBlockCount(), before);
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
