#include "inflate/inflate.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace neonsense::inflate {
namespace {

constexpr unsigned kLongestCode = 15;
constexpr size_t kLiterals = 288;
constexpr size_t kDistances = 30;
constexpr uint16_t kEndOfBlock = 256;
constexpr uint16_t kFirstLength = 257;
constexpr size_t kLengths = 29;

// Of lengths and distances: the least that a symbol stands for, and how many bits follow that are added to it.
constexpr std::array<uint16_t, kLengths> kLengthBase = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                                        31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr std::array<uint8_t, kLengths> kLengthBits = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                                       2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
constexpr std::array<uint16_t, kDistances> kDistanceBase = {
    1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
    193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
constexpr std::array<uint8_t, kDistances> kDistanceBits = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                                           6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
// In which order a block names the lengths of the codes that its other lengths are in.
constexpr std::array<uint8_t, 19> kLengthOrder = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

// Bits from the lowest of each byte up. After the end come zeros, which can be looked at but not taken.
class Bits {
 public:
  Bits(const uint8_t* data, size_t size) : next_(data), end_(data + size) {}

  uint32_t Look(unsigned count) {
    while (have_ < count && next_ < end_) {
      bits_ |= uint64_t{*next_++} << have_;
      have_ += 8;
    }
    return static_cast<uint32_t>(bits_ & ((uint64_t{1} << count) - 1));
  }

  bool Skip(unsigned count) {
    if (have_ < count) return false;
    bits_ >>= count;
    have_ -= count;
    return true;
  }

  bool Take(unsigned count, uint32_t& value) {
    value = Look(count);
    return Skip(count);
  }

  // From the next whole byte on. Null where there are not so many.
  const uint8_t* Bytes(size_t count) {
    // What was looked at ahead goes back.
    next_ -= have_ / 8;
    bits_ = 0;
    have_ = 0;
    if (static_cast<size_t>(end_ - next_) < count) return nullptr;
    const uint8_t* const bytes = next_;
    next_ += count;
    return bytes;
  }

 private:
  const uint8_t* next_;
  const uint8_t* end_;
  uint64_t bits_ = 0;
  unsigned have_ = 0;
};

// A Huffman code in canonical order.
class Code {
 public:
  // From the length of each symbol's code, 0 for those that have none. False where there can't be such codes.
  bool Make(const uint8_t* lengths, size_t symbols, bool may_be_incomplete) {
    count_.fill(0);
    for (size_t symbol = 0; symbol < symbols; symbol++) count_[lengths[symbol]]++;
    count_[0] = 0;
    int free = 1;
    for (unsigned length = 1; length <= kLongestCode; length++) {
      free = 2 * free - count_[length];
      if (free < 0) return false;
    }
    // A single code of one bit has no other beside it, and there may be none at all.
    const bool is_single = std::all_of(count_.begin() + 2, count_.end(), [](uint16_t count) { return count == 0; });
    if (free > 0 && !(may_be_incomplete && is_single)) return false;

    std::array<uint16_t, kLongestCode + 2> place{};
    std::array<uint32_t, kLongestCode + 2> code{};
    for (unsigned length = 1; length <= kLongestCode; length++) {
      place[length + 1] = place[length] + count_[length];
      code[length + 1] = (code[length] + count_[length]) << 1;
    }
    fast_.fill(0);
    for (size_t symbol = 0; symbol < symbols; symbol++) {
      const unsigned length = lengths[symbol];
      if (length == 0) continue;
      symbols_[place[length]++] = static_cast<uint16_t>(symbol);
      const uint32_t own = code[length]++;
      if (length > kFastBits) continue;
      // The highest bit of a code comes first.
      uint32_t reversed = 0;
      for (unsigned bit = 0; bit < length; bit++) reversed |= ((own >> bit) & 1) << (length - 1 - bit);
      const auto entry = static_cast<uint16_t>(symbol << 4 | length);
      for (uint32_t at = reversed; at < fast_.size(); at += 1u << length) fast_[at] = entry;
    }
    return true;
  }

  bool Take(Bits& bits, uint16_t& symbol) const {
    const uint32_t ahead = bits.Look(kLongestCode);
    const uint16_t entry = fast_[ahead & (fast_.size() - 1)];
    if (entry != 0) {
      symbol = entry >> 4;
      return bits.Skip(entry & 15);
    }
    uint32_t code = 0;
    uint32_t first = 0;
    uint32_t place = 0;
    for (unsigned length = 1; length <= kLongestCode; length++) {
      code = code << 1 | ((ahead >> (length - 1)) & 1);
      if (code - first < count_[length]) {
        symbol = symbols_[place + (code - first)];
        return bits.Skip(length);
      }
      place += count_[length];
      first = (first + count_[length]) << 1;
    }
    return false;
  }

 private:
  static constexpr unsigned kFastBits = 10;

  // Codes of each length.
  std::array<uint16_t, kLongestCode + 1> count_{};
  // By their codes.
  std::array<uint16_t, kLiterals> symbols_{};
  // By the bits ahead: a symbol and its code's length, 0 for longer codes and for none.
  std::array<uint16_t, 1 << kFastBits> fast_{};
};

class Inflater {
 public:
  Inflater(const uint8_t* packed, size_t packed_size, uint8_t* out, size_t size)
      : bits_(packed, packed_size), out_(out), size_(size) {}

  bool Run() {
    for (uint32_t is_last = 0; is_last == 0;) {
      uint32_t kind = 0;
      if (!bits_.Take(1, is_last) || !bits_.Take(2, kind)) return false;
      if (!(kind == 0 ? Stored() : kind == 1 ? FixedCodes() && Coded() : kind == 2 && OwnCodes() && Coded())) {
        return false;
      }
    }
    return made_ == size_;
  }

 private:
  bool Stored() {
    const uint8_t* const header = bits_.Bytes(4);
    if (header == nullptr) return false;
    const auto length = static_cast<uint16_t>(header[0] | header[1] << 8);
    const auto inverse = static_cast<uint16_t>(header[2] | header[3] << 8);
    if (length != static_cast<uint16_t>(~inverse)) return false;
    const uint8_t* const bytes = bits_.Bytes(length);
    if (bytes == nullptr || length > size_ - made_) return false;
    if (length > 0) std::memcpy(out_ + made_, bytes, length);
    made_ += length;
    return true;
  }

  bool FixedCodes() {
    std::array<uint8_t, kLiterals> lengths{};
    std::fill(lengths.begin(), lengths.begin() + 144, uint8_t{8});
    std::fill(lengths.begin() + 144, lengths.begin() + 256, uint8_t{9});
    std::fill(lengths.begin() + 256, lengths.begin() + 280, uint8_t{7});
    std::fill(lengths.begin() + 280, lengths.end(), uint8_t{8});
    std::array<uint8_t, 32> distances{};
    distances.fill(5);
    return literals_.Make(lengths.data(), lengths.size(), false) &&
           distances_.Make(distances.data(), distances.size(), false);
  }

  bool OwnCodes() {
    uint32_t literals = 0;
    uint32_t distances = 0;
    uint32_t named = 0;
    if (!bits_.Take(5, literals) || !bits_.Take(5, distances) || !bits_.Take(4, named)) return false;
    literals += 257;
    distances += 1;
    named += 4;
    if (literals > kFirstLength + kLengths || distances > kDistances) return false;

    std::array<uint8_t, kLengthOrder.size()> order{};
    for (uint32_t i = 0; i < named; i++) {
      uint32_t length = 0;
      if (!bits_.Take(3, length)) return false;
      order[kLengthOrder[i]] = static_cast<uint8_t>(length);
    }
    if (!literals_.Make(order.data(), order.size(), false)) return false;

    std::array<uint8_t, kFirstLength + kLengths + kDistances> lengths{};
    for (uint32_t i = 0; i < literals + distances;) {
      uint16_t symbol = 0;
      if (!literals_.Take(bits_, symbol)) return false;
      if (symbol < 16) {
        lengths[i++] = static_cast<uint8_t>(symbol);
        continue;
      }
      // The last one again, or zeros.
      if (symbol == 16 && i == 0) return false;
      const uint8_t again = symbol == 16 ? lengths[i - 1] : uint8_t{0};
      uint32_t times = 0;
      if (!bits_.Take(symbol == 16 ? 2 : symbol == 17 ? 3 : 7, times)) return false;
      times += symbol == 18 ? 11 : 3;
      if (times > literals + distances - i) return false;
      std::fill_n(lengths.begin() + i, times, again);
      i += times;
    }
    return lengths[kEndOfBlock] != 0 && literals_.Make(lengths.data(), literals, true) &&
           distances_.Make(lengths.data() + literals, distances, true);
  }

  bool Coded() {
    for (;;) {
      uint16_t symbol = 0;
      if (!literals_.Take(bits_, symbol)) return false;
      if (symbol == kEndOfBlock) return true;
      if (symbol < kEndOfBlock) {
        if (made_ == size_) return false;
        out_[made_++] = static_cast<uint8_t>(symbol);
      } else if (!Repeat(symbol - kFirstLength)) {
        return false;
      }
    }
  }

  // What was there some way back, once more.
  bool Repeat(size_t which) {
    uint32_t more = 0;
    if (which >= kLengths || !bits_.Take(kLengthBits[which], more)) return false;
    const size_t length = kLengthBase[which] + more;
    uint16_t symbol = 0;
    if (!distances_.Take(bits_, symbol) || symbol >= kDistances || !bits_.Take(kDistanceBits[symbol], more)) {
      return false;
    }
    const size_t distance = kDistanceBase[symbol] + more;
    if (distance > made_ || length > size_ - made_) return false;
    // Byte by byte: it may reach into what it makes.
    for (const size_t end = made_ + length; made_ < end; made_++) out_[made_] = out_[made_ - distance];
    return true;
  }

  Bits bits_;
  uint8_t* const out_;
  const size_t size_;
  size_t made_ = 0;
  // Of the block; while its codes are read, literals_ is the code of their lengths.
  Code literals_;
  Code distances_;
};

}  // namespace

bool Inflate(const uint8_t* packed, size_t packed_size, uint8_t* out, size_t size) {
  return Inflater(packed, packed_size, out, size).Run();
}

}  // namespace neonsense::inflate
