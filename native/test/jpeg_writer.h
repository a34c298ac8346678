#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "image/jpeg/header.h"

namespace neonsense::image::jpeg::test {

// A block's coefficients, row by row, before they are multiplied.
using Block = std::array<int, 64>;

// What a test file is made of.
struct File {
  uint32_t width = 0, height = 0;
  // Blocks in an MCU, of each component; one or three of them.
  struct Part {
    uint32_t across = 1, down = 1;
    // Rows of blocks, whole MCUs.
    uint32_t blocks_across = 0, blocks_down = 0;
    std::vector<Block> blocks;
  };
  std::vector<Part> parts;
  std::array<Quantizer, 2> quantizers;  // of luma and chroma, in zigzag order
  uint32_t restart = 0;
  uint32_t orientation = 1;
};

// Of random blocks, with codes of every length.
File RandomFile(uint32_t width, uint32_t height, const std::vector<std::array<uint32_t, 2>>& sampling, uint32_t seed);
// As the standard says.
std::vector<uint8_t> Write(const File& file);

extern const std::array<uint8_t, 64> kOrder;

}  // namespace neonsense::image::jpeg::test
