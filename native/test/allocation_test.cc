// Every allocation of creating and running a session fails in turn, XNNPACK's included: each time a clean error, and
// nothing is leaked (the leak detector looks at the end). A program of its own, because it is linked with --wrap.

#include <cerrno>
#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "engine/error.h"
#include "engine/session.h"
#include "plans.h"

namespace {

// How many allocations of this thread still succeed before one fails; off where negative.
thread_local long remaining = -1;
thread_local bool failed = false;

bool FailNow() {
  if (remaining < 0) return false;
  if (remaining-- > 0) return false;
  failed = true;
  return true;
}

}  // namespace

extern "C" {
void* __real_malloc(size_t size);
void* __real_calloc(size_t count, size_t size);
void* __real_realloc(void* memory, size_t size);
int __real_posix_memalign(void** memory, size_t alignment, size_t size);

void* __wrap_malloc(size_t size) { return FailNow() ? nullptr : __real_malloc(size); }
void* __wrap_calloc(size_t count, size_t size) { return FailNow() ? nullptr : __real_calloc(count, size); }
void* __wrap_realloc(void* memory, size_t size) { return FailNow() ? nullptr : __real_realloc(memory, size); }
int __wrap_posix_memalign(void** memory, size_t alignment, size_t size) {
  return FailNow() ? ENOMEM : __real_posix_memalign(memory, alignment, size);
}
}

void* operator new(size_t size) {
  void* const memory = FailNow() ? nullptr : __real_malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace neonsense::engine::test {
namespace {

// Everything a plan can hold, in f32, static and dynamic int8.
PlanBuilder Everything() {
  PlanBuilder b(3);
  const uint32_t image = b.AddValue({8, 8, 3}, ValueType::kF32);
  const uint32_t stem = b.AddValue({4, 4, 8}, ValueType::kF32);
  b.AddWeighted(Op::kConv2d, image, stem, 3, 2, 1);
  const uint32_t active = b.AddValue({4, 4, 8}, ValueType::kF32);
  b.AddPlain(Op::kHardSwish, {stem}, active);
  const uint32_t fixed = b.AddValue({4, 4, 8}, ValueType::kQS8, 0.05f, 3);
  b.AddPlain(Op::kConvert, {active}, fixed);
  const uint32_t depthwise = b.AddValue({4, 4, 8}, ValueType::kQS8, 0.25f, 1);
  b.AddWeighted(Op::kDepthwiseConv2d, fixed, depthwise, 3, 1, 1);
  const uint32_t sum = b.AddValue({4, 4, 8}, ValueType::kQS8, 0.25f, 2);
  b.AddPlain(Op::kAdd, {depthwise, fixed}, sum);
  const uint32_t real = b.AddValue({4, 4, 8}, ValueType::kF32);
  b.AddPlain(Op::kConvert, {sum}, real);
  const uint32_t pooled = b.AddValue({1, 1, 8}, ValueType::kF32);
  b.AddPlain(Op::kGlobalAveragePool, {real}, pooled);
  const uint32_t dynamic = b.AddValue({1, 1, 8}, ValueType::kQD8);
  b.AddPlain(Op::kConvert, {pooled}, dynamic);
  const uint32_t logits = b.AddValue({1, 1, 5}, ValueType::kF32);
  b.AddWeighted(Op::kLinear, dynamic, logits);
  b.plan.input = image;
  b.plan.outputs = {logits};
  return b;
}

void CreateAndRun(const Plan& plan, uint32_t threads, const std::vector<float>& input, std::vector<float>& output) {
  SessionOptions options;
  options.threads = threads;
  Session session(plan, options);
  session.Run(input.data(), output.data());
}

TEST(Allocation, EachMayFailInTurn) {
  const PlanBuilder builder = Everything();
  const std::vector<float> input(8 * 8 * 3, 0.5f);
  for (uint32_t threads : {1u, 3u}) {
    std::vector<float> expected(5), output(5);
    // The first one sets up what the process keeps.
    CreateAndRun(builder.plan, threads, input, expected);
    long count = 0;
    for (failed = true; failed; count++) {
      failed = false;
      bool refused = false;
      remaining = count;
      try {
        CreateAndRun(builder.plan, threads, input, output);
        remaining = -1;
      } catch (const Error&) {
        remaining = -1;
        refused = true;
      } catch (const std::bad_alloc&) {
        remaining = -1;
        refused = true;
      }
      EXPECT_EQ(refused, failed) << "allocation " << count;
    }
    EXPECT_EQ(output, expected);
    EXPECT_GT(count, 50);
  }
}

}  // namespace
}  // namespace neonsense::engine::test
