#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "hash/sha256_blocks.h"

namespace neonsense::hash {

// SHA-256 (FIPS 180-4) of what it is given piece by piece.
class Sha256 {
 public:
  // `with_instructions`: whether the CPU has instructions for it, of which use is made where this build has them.
  explicit Sha256(bool with_instructions);

  void Update(const void* data, size_t size);
  // The hash as 64 hexadecimal digits. Nothing may be added afterwards.
  std::string Finish();

 private:
  Sha256Blocks blocks_;
  std::array<uint32_t, 8> state_;
  // What is left of a block.
  std::array<uint8_t, kSha256Block> rest_{};
  size_t rest_size_ = 0;
  uint64_t size_ = 0;
};

}  // namespace neonsense::hash
