#pragma once

#include <cstdint>
#include <memory>

#include "image/jpeg/byte_reader.h"

namespace neonsense::image::jpeg {

// The next bits of a scan, the first of them the highest.
struct Bits {
  uint64_t bits = 0;
  // How many of them count. Below them others may be set, which come again.
  uint32_t count = 0;
  // The bytes after those.
  const uint8_t* next = nullptr;

  // At least kRefilled bits. Reads eight bytes.
  void Refill() {
    uint64_t more;
    __builtin_memcpy(&more, next, sizeof(more));
    bits |= __builtin_bswap64(more) >> count;
    next += (63 - count) >> 3;
    count |= 56;
  }
  void Take(uint32_t taken) {
    bits <<= taken;
    count -= taken;
  }

  static constexpr uint32_t kRefilled = 56;
};

// The bytes between two markers of a scan, without the zeros that are stuffed in behind each 255: a window of them
// moves along.
class ScanBits {
 public:
  // More than any MCU takes.
  static constexpr size_t kMostMcuBytes = 2048;

  // Begins behind a marker.
  void Start(ByteReader& bytes);
  // So that `bits`, of this window, has room for an MCU. Throws NotTaken where more was read than there is.
  void Ensure(Bits& bits) {
    if (__builtin_expect(bits.next + kMostMcuBytes > end_, 0)) Fill(bits);
  }
  // To the marker behind the bits, which is returned. Throws NotTaken where whole bytes are left.
  uint8_t Finish(Bits& bits);
  // Where the first bits are.
  Bits Begin() const {
    Bits bits;
    bits.next = window_.get();
    return bits;
  }

 private:
  void Fill(Bits& bits);
  void Append();
  // Bits of the window that were not taken; less than none where more was taken than there is.
  int64_t Left(const Bits& bits) const { return (end_ - bits.next) * 8 + static_cast<int64_t>(bits.count); }

  ByteReader* bytes_ = nullptr;
  std::unique_ptr<uint8_t[]> window_;
  uint8_t* end_ = nullptr;
  // The marker the bytes end with, 0 before it was met.
  uint8_t marker_ = 0;
};

}  // namespace neonsense::image::jpeg
