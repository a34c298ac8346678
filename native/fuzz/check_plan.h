#pragma once

#include <cstddef>
#include <cstdint>

namespace neonsense::engine::fuzz {

// Reads a plan, packs it, dense and sparse, and runs an image of unusual numbers. True when it was accepted.
bool CheckPlan(const uint8_t* data, size_t size);

// Changes the bytes as libFuzzer does, or the plan in them such that it stays one: sizes that fit together are hard to
// meet by chance. The new size.
size_t MutatePlan(uint8_t* data, size_t size, size_t max_size, uint32_t seed);

}  // namespace neonsense::engine::fuzz
