#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace neonsense::hash {

constexpr size_t kSha256Block = 64;

// Takes `count` blocks of a message into the state: FIPS 180-4, section 6.2.2.
using Sha256Blocks = void (*)(uint32_t state[8], const uint8_t* blocks, size_t count);

void Sha256BlocksPortable(uint32_t state[8], const uint8_t* blocks, size_t count);

// With the CPU's own instructions; null where this build has none.
extern const Sha256Blocks kSha256BlocksX86;
extern const Sha256Blocks kSha256BlocksArm;

// The constants of the rounds.
extern const std::array<uint32_t, 64> kSha256Rounds;

}  // namespace neonsense::hash
