// Plans that fuzzing reached: each is refused or runs, under whatever sanitizers this is built with.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "engine/error.h"
#include "engine/plan_bytes.h"
#include "fuzz/check_plan.h"
#include "plans.h"

namespace neonsense::engine::test {
namespace {

std::vector<uint8_t> BytesOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Corpus, OfPlansIsRefusedOrRuns) {
  size_t accepted = 0;
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(NEONSENSE_FUZZ_CORPUS "/plan")) {
    SCOPED_TRACE(entry.path().filename().string());
    const std::vector<uint8_t> bytes = BytesOf(entry.path());
    accepted += fuzz::CheckPlan(bytes.data(), bytes.size());
    files++;
  }
  EXPECT_GE(files, 10u);
  // A corpus of nothing but refused plans would prove little.
  EXPECT_GE(accepted, files / 2);
}

TEST(PlanBytes, AreReadAsTheyWereWritten) {
  const PlanBuilder builder = WeightedPlan(Op::kConv2d, {9, 9, 3}, {5, 5, 8}, {ValueType::kQS8, 0.02f, 3},
                                           {ValueType::kQS8, 0.25f, 1}, 3, 2, 1);
  std::vector<uint8_t> bytes = WritePlan(builder.plan);
  const Plan plan = ReadPlan(bytes.data(), bytes.size());
  EXPECT_NO_THROW(Validate(plan));
  EXPECT_EQ(WritePlan(plan), bytes);
  EXPECT_EQ(plan.layers[1].name, builder.plan.layers[1].name);
  EXPECT_TRUE(std::equal(plan.layers[1].weights.qc8.data, plan.layers[1].weights.qc8.data + 8 * 27,
                         builder.plan.layers[1].weights.qc8.data));
}

TEST(PlanBytes, ThatEndEarlyAreRefused) {
  const PlanBuilder builder = WeightedPlan(Op::kLinear, {1, 1, 3}, {1, 1, 2}, kFloat, kFloat);
  const std::vector<uint8_t> bytes = WritePlan(builder.plan);
  for (size_t size = 0; size < bytes.size(); size++) {
    std::vector<uint8_t> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(ReadPlan(part.data(), part.size()), Error) << size;
  }
}

}  // namespace
}  // namespace neonsense::engine::test
