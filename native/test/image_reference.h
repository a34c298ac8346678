#pragma once

#include <cstdint>
#include <vector>

#include "image/picture.h"
#include "image/preprocessing.h"

namespace neonsense::image::test {

// A picture with memory of its own: random pixels, and rows that are farther apart than they need be.
struct OwnPicture {
  std::vector<uint8_t> bytes;
  Layout layout;

  Picture View() const { return Picture::View(bytes.data(), bytes.size(), layout); }
};

// `gap` bytes lie between rows, and between planes. Alpha is opaque unless `transparent`.
OwnPicture RandomPicture(PixelFormat format, uint32_t width, uint32_t height, uint32_t seed, size_t gap = 0,
                         bool transparent = false);

// The network's input, [height, width, 3], computed slowly in double and sharing no code with what is tested: every
// pixel by itself, every share of it by the overlap of intervals.
std::vector<double> Reference(const OwnPicture& picture, const Preprocessing& preprocessing);

}  // namespace neonsense::image::test
