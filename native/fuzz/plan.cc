// Any bytes, read as a plan, are refused or run: never a crash, a failed assertion of XNNPACK's or a read out of
// bounds.
#include "fuzz/check_plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  neonsense::engine::fuzz::CheckPlan(data, size);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  return neonsense::engine::fuzz::MutatePlan(data, size, max_size, seed);
}
