#include "hash/sha256.h"

#include <algorithm>
#include <cstring>

namespace neonsense::hash {
namespace {

Sha256Blocks Choose(bool with_instructions) {
  if (with_instructions && kSha256BlocksX86 != nullptr) return kSha256BlocksX86;
  if (with_instructions && kSha256BlocksArm != nullptr) return kSha256BlocksArm;
  return Sha256BlocksPortable;
}

}  // namespace

Sha256::Sha256(bool with_instructions)
    : blocks_(Choose(with_instructions)), state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19} {}

void Sha256::Update(const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  size_ += size;
  if (rest_size_ > 0) {
    const size_t taken = std::min(size, kSha256Block - rest_size_);
    std::copy_n(bytes, taken, rest_.data() + rest_size_);
    rest_size_ += taken;
    bytes += taken;
    size -= taken;
    if (rest_size_ < kSha256Block) return;
    blocks_(state_.data(), rest_.data(), 1);
    rest_size_ = 0;
  }
  const size_t whole = size / kSha256Block;
  blocks_(state_.data(), bytes, whole);
  rest_size_ = size % kSha256Block;
  std::copy_n(bytes + whole * kSha256Block, rest_size_, rest_.data());
}

std::string Sha256::Finish() {
  const uint64_t bits = size_ * 8;
  const size_t zeros = (rest_size_ < 56 ? 55 : 119) - rest_size_;
  std::array<uint8_t, 2 * kSha256Block> end{0x80};
  for (size_t i = 0; i < 8; i++) end[1 + zeros + i] = static_cast<uint8_t>(bits >> (56 - 8 * i));
  Update(end.data(), 1 + zeros + 8);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string digits;
  for (const uint32_t word : state_) {
    for (int shift = 28; shift >= 0; shift -= 4) digits += kDigits[word >> shift & 15];
  }
  return digits;
}

}  // namespace neonsense::hash
