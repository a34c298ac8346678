#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "image/jpeg/huffman.h"
#include "image/jpeg/scan_bits.h"
#include "image/jpeg/transform.h"

namespace neonsense::image::jpeg {

// How a picture is turned upright: its axes are exchanged first, then their ends.
struct Turn {
  bool transposed = false;
  bool flip_x = false, flip_y = false;

  static Turn Of(uint32_t orientation) {
    return {orientation > 4, orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7,
            orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8};
  }
};

// Samples a block becomes, upright: 1, 2, 4 or 8 each way, each the average of those it stands for.
struct BlockSides {
  uint32_t width = 8, height = 8;
};

// Reads the blocks of one component.
class BlockReader {
 public:
  // The tables must stay where they are.
  void Make(const Quantizer& quantizer, const HuffmanTable& dc, const HuffmanTable& ac, const BlockSides& sides,
            const Turn& turn);
  // Behind a restart marker, differences start from nothing.
  void Restart() { dc_value_ = 0; }

  // Takes a block's bits and writes its samples. False where they make no sense.
  bool Read(Bits& bits, uint8_t* output, size_t stride) { return read_(*this, bits, output, stride); }

 private:
  using ReadFunction = bool (*)(BlockReader&, Bits&, uint8_t* output, size_t stride);

  template <uint32_t kWidth, uint32_t kHeight>
  static bool ReadReduced(BlockReader& reader, Bits& bits, uint8_t* output, size_t stride);
  static bool ReadAverage(BlockReader& reader, Bits& bits, uint8_t* output, size_t stride);
  static bool ReadWhole(BlockReader& reader, Bits& bits, uint8_t* output, size_t stride);
  static ReadFunction FunctionOf(const BlockSides& sides);
  bool TakeDc(Bits& bits);

  const HuffmanTable* dc_ = nullptr;
  const HuffmanTable* ac_ = nullptr;
  ReadFunction read_ = nullptr;
  // The last block's.
  int32_t dc_value_ = 0;
  // Of blocks that become fewer samples: what one of a coefficient adds to each of them, by its place in the file.
  alignas(64) std::array<std::array<Floats, 8>, kCoefficients> weights_;
  // Of whole ones: by what a coefficient is multiplied, and where it stands.
  std::array<float, kCoefficients> factors_;
  std::array<uint8_t, kCoefficients> places_;
};

}  // namespace neonsense::image::jpeg
