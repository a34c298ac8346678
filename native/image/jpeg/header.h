#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "image/jpeg/byte_reader.h"

namespace neonsense::image::jpeg {

constexpr size_t kCoefficients = 64;
constexpr size_t kMostComponents = 3;

// A Huffman code as the file has it: how many codes there are of each length, 1 to 16, and what they stand for.
struct HuffmanCode {
  std::array<uint8_t, 16> counts{};
  std::array<uint8_t, 256> symbols{};
};

// Factors of the coefficients, in zigzag order.
using Quantizer = std::array<uint16_t, kCoefficients>;

struct Component {
  uint8_t id = 0;
  // Blocks in an MCU.
  uint8_t across = 1, down = 1;
  uint8_t quantizer = 0;
  uint8_t dc = 0, ac = 0;
};

// What stands before the one scan of a baseline file.
struct Header {
  uint32_t width = 0, height = 0;
  size_t components = 0;
  std::array<Component, kMostComponents> component;
  std::array<std::optional<Quantizer>, 4> quantizers;
  std::array<std::optional<HuffmanCode>, 4> dc, ac;
  // MCUs between two restart markers; 0: none.
  uint32_t restart = 0;
  // As Exif numbers them, 1 to 8.
  uint32_t orientation = 1;
};

// Reads up to the first byte of the scan. Throws NotTaken for anything but one scan of 8-bit grey or YCbCr, all of it
// Huffman-coded.
void ReadHeader(ByteReader& bytes, Header* header);

}  // namespace neonsense::image::jpeg
