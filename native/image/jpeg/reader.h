#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "image/jpeg/block_reader.h"
#include "image/jpeg/byte_reader.h"
#include "image/jpeg/header.h"
#include "image/jpeg/scan_bits.h"
#include "image/picture.h"

namespace neonsense::image::jpeg {

// Reads JPEG files at 1, 1/2, 1/4 or 1/8 of their sides: each sample is the average of the pixels it stands for. Keeps
// what it needs from one to the next. What is not read throws NotTaken: progressive and arithmetic-coded files, 12
// bits, CMYK, colour profiles of other than sRGB, several scans, and all that is damaged.
class Reader {
 public:
  // The most that samples may take: a picture that is long and narrow, whole.
  static constexpr size_t kMostBytes = size_t{32} << 20;

  // Reads all that stands before the picture. The source must live until the picture has been read.
  void Open(Source& source);
  // Of the picture that is open, upright.
  uint32_t width() const { return turn_.transposed ? header_.height : header_.width; }
  uint32_t height() const { return turn_.transposed ? header_.width : header_.height; }

  // The picture upright, its sides divided by `factor`: 1, 2, 4 or 8. Valid until the next one is read. Throws NotTaken
  // also where its samples take more than `most` bytes.
  Picture Read(uint32_t factor, size_t most = kMostBytes);

  // What the samples of the largest picture so far take.
  size_t capacity() const { return capacity_; }

 private:
  struct Plane {
    BlockReader blocks;
    // Where the first block of the file goes, and from there the next one, by bytes.
    uint8_t* origin = nullptr;
    ptrdiff_t across = 0, down = 0;
    size_t stride = 0;
  };

  // Places the planes in memory and says how they lie.
  Layout Prepare(uint32_t factor, size_t most);
  void ReadScan();
  void ReadMcu(uint32_t x, uint32_t y, Bits& bits);

  std::unique_ptr<ByteReader> bytes_;
  Header header_;
  Turn turn_;
  uint32_t mcus_across_ = 0, mcus_down_ = 0;
  std::array<HuffmanTable, 4> dc_, ac_;
  std::array<Plane, kMostComponents> planes_;
  ScanBits scan_;
  std::unique_ptr<uint8_t[]> samples_;
  size_t capacity_ = 0;
};

}  // namespace neonsense::image::jpeg
