#include "jpeg_writer.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

namespace neonsense::image::jpeg::test {
namespace {

// Zigzag: along the diagonals, up and down in turn.
std::array<uint8_t, 64> Diagonals() {
  std::array<uint8_t, 64> order{};
  size_t next = 0;
  for (int sum = 0; sum < 15; sum++) {
    for (int i = 0; i <= sum; i++) {
      const int row = sum % 2 == 0 ? sum - i : i;
      if (row < 8 && sum - row < 8) order[next++] = static_cast<uint8_t>(row * 8 + sum - row);
    }
  }
  return order;
}

struct Code {
  uint32_t bits, length;
};

// Codes of the lengths given, by symbol, and the segment that says so.
struct Codes {
  std::map<uint32_t, Code> of;
  std::vector<uint8_t> segment;
};

Codes MakeCodes(const std::vector<uint8_t>& symbols, const std::vector<uint32_t>& lengths, uint8_t which) {
  Codes codes;
  codes.segment.push_back(which);
  uint32_t next = 0;
  for (uint32_t length = 1; length <= 16; length++) {
    const auto count = std::count(lengths.begin(), lengths.end(), length);
    codes.segment.push_back(static_cast<uint8_t>(count));
    for (size_t i = 0; i < symbols.size(); i++) {
      if (lengths[i] == length) codes.of[symbols[i]] = {next++, length};
    }
    next <<= 1;
  }
  codes.segment.insert(codes.segment.end(), symbols.begin(), symbols.end());
  return codes;
}

Codes DcCodes(uint8_t which) {
  std::vector<uint8_t> symbols(12);
  for (uint8_t i = 0; i < 12; i++) symbols[i] = i;
  return MakeCodes(symbols, {2, 3, 3, 4, 5, 6, 7, 8, 9, 12, 14, 16}, which);
}

Codes AcCodes(uint8_t which) {
  std::vector<uint8_t> symbols = {0x01, 0x00, 0x02, 0x11, 0x03, 0xf0, 0x21, 0x04};
  std::vector<uint32_t> lengths(8, 4);
  for (uint32_t run = 0; run < 16; run++) {
    for (uint32_t size = 1; size <= 10; size++) {
      const auto symbol = static_cast<uint8_t>(run << 4 | size);
      if (std::find(symbols.begin(), symbols.begin() + 8, symbol) != symbols.begin() + 8) continue;
      symbols.push_back(symbol);
      lengths.push_back(symbols.size() < 64 ? 8 : symbols.size() < 120 ? 12 : 16);
    }
  }
  return MakeCodes(symbols, lengths, which);
}

class BitWriter {
 public:
  explicit BitWriter(std::vector<uint8_t>* bytes) : bytes_(bytes) {}

  void Put(uint32_t bits, uint32_t length) {
    for (uint32_t i = length; i-- > 0;) {
      byte_ = static_cast<uint8_t>(byte_ << 1 | (bits >> i & 1));
      if (++count_ == 8) Flush();
    }
  }
  void Pad() {
    while (count_ > 0) Put(1, 1);
  }

 private:
  void Flush() {
    bytes_->push_back(byte_);
    if (byte_ == 0xff) bytes_->push_back(0);
    count_ = 0;
  }

  std::vector<uint8_t>* bytes_;
  uint8_t byte_ = 0;
  uint32_t count_ = 0;
};

uint32_t SizeOf(int value) {
  uint32_t size = 0;
  for (int rest = std::abs(value); rest > 0; rest >>= 1) size++;
  return size;
}

void PutNumber(BitWriter& bits, int value, uint32_t size) {
  bits.Put(static_cast<uint32_t>(value < 0 ? value + (1 << size) - 1 : value), size);
}

void PutBlock(BitWriter& bits, const Block& block, int before, const Codes& dc, const Codes& ac) {
  const int difference = block[0] - before;
  const Code code = dc.of.at(SizeOf(difference));
  bits.Put(code.bits, code.length);
  PutNumber(bits, difference, SizeOf(difference));
  uint32_t run = 0;
  for (size_t k = 1; k < 64; k++) {
    const int value = block[kOrder[k]];
    if (value == 0) {
      run++;
      continue;
    }
    for (; run > 15; run -= 16) bits.Put(ac.of.at(0xf0).bits, ac.of.at(0xf0).length);
    const uint32_t size = SizeOf(value);
    const Code symbol = ac.of.at(run << 4 | size);
    bits.Put(symbol.bits, symbol.length);
    PutNumber(bits, value, size);
    run = 0;
  }
  if (run > 0) bits.Put(ac.of.at(0).bits, ac.of.at(0).length);
}

void PutSegment(std::vector<uint8_t>* bytes, uint8_t marker, const std::vector<uint8_t>& content) {
  const size_t length = content.size() + 2;
  bytes->insert(bytes->end(), {0xff, marker, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)});
  bytes->insert(bytes->end(), content.begin(), content.end());
}

}  // namespace

const std::array<uint8_t, 64> kOrder = Diagonals();

File RandomFile(uint32_t width, uint32_t height, const std::vector<std::array<uint32_t, 2>>& sampling, uint32_t seed) {
  std::mt19937 random(seed);
  const auto below = [&random](uint32_t limit) { return static_cast<int>(random() % limit); };
  File file;
  file.width = width;
  file.height = height;
  for (Quantizer& quantizer : file.quantizers) {
    for (uint16_t& factor : quantizer) factor = static_cast<uint16_t>(1 + below(12));
  }
  const uint32_t mcu_width = sampling[0][0] * 8, mcu_height = sampling[0][1] * 8;
  for (const auto& [across, down] : sampling) {
    File::Part part;
    part.across = across;
    part.down = down;
    part.blocks_across = (width + mcu_width - 1) / mcu_width * across;
    part.blocks_down = (height + mcu_height - 1) / mcu_height * down;
    part.blocks.resize(size_t{part.blocks_across} * part.blocks_down);
    for (Block& block : part.blocks) {
      block = {};
      block[0] = below(300) - 150;
      // None, a few low ones, a few anywhere, or all.
      const int kind = below(5);
      const int count = kind == 0 ? 0 : kind == 4 ? 64 : below(12);
      for (int i = 0; i < count; i++) {
        const int k = kind == 4 ? i : 1 + below(kind == 1 ? 9 : 63);
        if (k > 0) block[kOrder[static_cast<size_t>(k)]] = below(8) == 0 ? below(400) - 200 : below(9) - 4;
      }
    }
    file.parts.push_back(std::move(part));
  }
  return file;
}

std::vector<uint8_t> Write(const File& file) {
  std::vector<uint8_t> bytes = {0xff, 0xd8};
  const auto orientation = static_cast<uint8_t>(file.orientation);
  // An entry that means nothing here, and the orientation.
  std::vector<uint8_t> exif = {'E', 'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0, 0, 2, 0};
  exif.insert(exif.end(), {0, 1, 3, 0, 1, 0, 0, 0, 9, 0, 0, 0});
  exif.insert(exif.end(), {18, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0});
  exif.insert(exif.end(), {0, 0, 0, 0});
  PutSegment(&bytes, 0xe1, exif);
  for (uint8_t i = 0; i < 2; i++) {
    // The second one in 16 bits.
    std::vector<uint8_t> content = {static_cast<uint8_t>(i << 4 | i)};
    for (uint16_t factor : file.quantizers[i]) {
      if (i == 1) content.push_back(static_cast<uint8_t>(factor >> 8));
      content.push_back(static_cast<uint8_t>(factor));
    }
    PutSegment(&bytes, 0xdb, content);
  }
  const auto high = [](uint32_t value) { return static_cast<uint8_t>(value >> 8); };
  const auto low = [](uint32_t value) { return static_cast<uint8_t>(value); };
  const auto count = static_cast<uint8_t>(file.parts.size());
  std::vector<uint8_t> frame = {8, high(file.height), low(file.height), high(file.width), low(file.width), count};
  std::vector<uint8_t> scan = {count};
  for (uint8_t i = 0; i < count; i++) {
    const uint8_t which = i == 0 ? 0 : 1;
    frame.insert(frame.end(),
                 {static_cast<uint8_t>(i + 1), low(file.parts[i].across << 4 | file.parts[i].down), which});
    scan.insert(scan.end(), {static_cast<uint8_t>(i + 1), low(which << 4 | which)});
  }
  PutSegment(&bytes, 0xc1, frame);
  const std::array<Codes, 2> dc = {DcCodes(0x00), DcCodes(0x01)}, ac = {AcCodes(0x10), AcCodes(0x11)};
  for (const Codes* codes : {&dc[0], &dc[1], &ac[0], &ac[1]}) PutSegment(&bytes, 0xc4, codes->segment);
  if (file.restart > 0) PutSegment(&bytes, 0xdd, {high(file.restart), low(file.restart)});
  scan.insert(scan.end(), {0, 63, 0});
  PutSegment(&bytes, 0xda, scan);

  BitWriter bits(&bytes);
  std::array<int, 3> before{};
  const uint32_t mcus_across = file.parts[0].blocks_across / file.parts[0].across;
  const uint32_t mcus = mcus_across * (file.parts[0].blocks_down / file.parts[0].down);
  for (uint32_t mcu = 0; mcu < mcus; mcu++) {
    if (file.restart > 0 && mcu > 0 && mcu % file.restart == 0) {
      bits.Pad();
      bytes.insert(bytes.end(), {0xff, low(0xd0 + (mcu / file.restart - 1) % 8)});
      before = {};
    }
    for (size_t i = 0; i < file.parts.size(); i++) {
      const File::Part& part = file.parts[i];
      for (uint32_t y = 0; y < part.down; y++) {
        for (uint32_t x = 0; x < part.across; x++) {
          const uint32_t row = mcu / mcus_across * part.down + y, column = mcu % mcus_across * part.across + x;
          const Block& block = part.blocks[size_t{row} * part.blocks_across + column];
          PutBlock(bits, block, before[i], dc[i == 0 ? 0 : 1], ac[i == 0 ? 0 : 1]);
          before[i] = block[0];
        }
      }
    }
  }
  bits.Pad();
  bytes.insert(bytes.end(), {0xff, 0xd9});
  return bytes;
}

}  // namespace neonsense::image::jpeg::test
