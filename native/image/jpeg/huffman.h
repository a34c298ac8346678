#pragma once

#include <array>
#include <cstdint>

#include "image/jpeg/header.h"

namespace neonsense::image::jpeg {

// What is read in one step: a code and the number behind it.
struct Symbol {
  // Bits of both.
  static constexpr uint32_t kBitsMask = 63;
  // Coefficients to go on by, the one that is set included.
  static constexpr uint32_t kStepShift = 6, kStepMask = 255;
  // Steps beyond every block: where it ends, and where a code means nothing.
  static constexpr uint32_t kEndOfBlock = 128, kInvalid = 64;
  // The code is too long for the table, or the number behind it is: Resolve knows them.
  static constexpr uint32_t kUnresolved = 1 << 14;
  static constexpr uint32_t kValueShift = 16;

  uint32_t entry;

  uint32_t bits() const { return entry & kBitsMask; }
  uint32_t step() const { return entry >> kStepShift & kStepMask; }
  bool unresolved() const { return (entry & kUnresolved) != 0; }
  int32_t value() const { return static_cast<int32_t>(entry) >> kValueShift; }
};

// A Huffman code ready to be read. The next bits of the file are the highest of a 64-bit number.
class HuffmanTable {
 public:
  static constexpr int kIndexBits = 11;

  enum class Kind { kDc, kAc };

  // Throws NotTaken for codes that do not fit their lengths, and numbers that do not fit 8-bit pictures.
  void Make(const HuffmanCode& code, Kind kind);

  Symbol Find(uint64_t bits) const {
    const Symbol symbol = Look(bits);
    return __builtin_expect(symbol.unresolved(), 0) ? Resolve(symbol, bits) : symbol;
  }
  // The same in two steps: what was looked up has to be resolved where it says so.
  Symbol Look(uint64_t bits) const { return {symbols_[bits >> (64 - kIndexBits)]}; }
  Symbol Resolve(Symbol symbol, uint64_t bits) const;

 private:
  Symbol SymbolOf(uint8_t symbol, uint32_t length) const;

  Kind kind_ = Kind::kDc;
  std::array<uint32_t, size_t{1} << kIndexBits> symbols_;
  // Of codes longer than that: the first 16 bits after the last code of each length, and where its symbols begin.
  std::array<uint32_t, 17> limits_{};
  std::array<int32_t, 17> offsets_{};
  std::array<uint8_t, 256> known_{};
};

}  // namespace neonsense::image::jpeg
