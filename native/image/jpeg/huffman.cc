#include "image/jpeg/huffman.h"

namespace neonsense::image::jpeg {
namespace {

constexpr uint32_t kLongestCode = 16;
// Of a difference between two DC coefficients; AC coefficients have one less, but extended files may have more.
constexpr uint32_t kMostDcBits = 11;

// The number that `size` bits behind a code stand for: those that begin with 0 are negative.
int32_t NumberOf(uint32_t bits, uint32_t size) {
  if (size == 0) return 0;
  const int32_t number = static_cast<int32_t>(bits);
  return number >> (size - 1) != 0 ? number : number - (1 << size) + 1;
}

uint32_t EntryOf(uint32_t bits, uint32_t step, int32_t value) {
  return bits | step << Symbol::kStepShift | static_cast<uint32_t>(value) << Symbol::kValueShift;
}

}  // namespace

// Without its number: `size` bits behind the code, kept as the value.
Symbol HuffmanTable::SymbolOf(uint8_t symbol, uint32_t length) const {
  if (kind_ == Kind::kDc) return {EntryOf(length, 1, symbol)};
  const uint32_t run = symbol >> 4, size = symbol & 15;
  if (size > 0) return {EntryOf(length, run + 1, static_cast<int32_t>(size))};
  // Sixteen zeros, or nothing but zeros. Runs of other lengths belong to progressive files.
  const uint32_t step = run == 15 ? 16 : run == 0 ? Symbol::kEndOfBlock : Symbol::kInvalid;
  return {EntryOf(length, step, 0)};
}

void HuffmanTable::Make(const HuffmanCode& code, Kind kind) {
  kind_ = kind;
  known_ = code.symbols;
  symbols_.fill(EntryOf(0, Symbol::kInvalid, 0) | Symbol::kUnresolved);
  uint32_t next = 0, symbol = 0;
  for (uint32_t length = 1; length <= kLongestCode; length++) {
    const uint32_t count = code.counts[length - 1];
    if (next + count > 1u << length) throw NotTaken();
    offsets_[length] = static_cast<int32_t>(symbol) - static_cast<int32_t>(next);
    for (uint32_t i = 0; i < count; i++, next++, symbol++) {
      if (kind == Kind::kDc && known_[symbol] > kMostDcBits) throw NotTaken();
      if (length > kIndexBits) continue;
      const Symbol found = SymbolOf(known_[symbol], length);
      const auto size = static_cast<uint32_t>(found.value());
      const uint32_t free = kIndexBits - length;
      const uint32_t first = next << free;
      for (uint32_t rest = 0; rest < 1u << free; rest++) {
        symbols_[first + rest] = size > free
                                     ? found.entry | Symbol::kUnresolved
                                     : EntryOf(length + size, found.step(), NumberOf(rest >> (free - size), size));
      }
    }
    limits_[length] = next << (kLongestCode - length);
    next <<= 1;
  }
}

Symbol HuffmanTable::Resolve(Symbol symbol, uint64_t bits) const {
  uint32_t length = symbol.bits();
  if (length == 0) {
    const auto beginning = static_cast<uint32_t>(bits >> (64 - kLongestCode));
    length = kIndexBits + 1;
    while (length <= kLongestCode && beginning >= limits_[length]) length++;
    if (length > kLongestCode) return {EntryOf(0, Symbol::kInvalid, 0)};
    const auto code = static_cast<int32_t>(beginning >> (kLongestCode - length));
    symbol = SymbolOf(known_[static_cast<size_t>(code + offsets_[length]) & 255], length);
  }
  const auto size = static_cast<uint32_t>(symbol.value());
  if (size == 0) return {symbol.entry & ~Symbol::kUnresolved};
  const auto number = static_cast<uint32_t>(bits << length >> (64 - size));
  return {EntryOf(length + size, symbol.step(), NumberOf(number, size))};
}

}  // namespace neonsense::image::jpeg
