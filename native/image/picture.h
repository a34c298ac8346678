#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace neonsense::image {

// By ffmpeg's names.
enum class PixelFormat {
  kRgb24,
  kBgr24,
  kRgba,
  kBgra,
  kGray,
  kYuv420p,
  kNv12,
  kYuyv422,
  kRgb565le,
  // What jpeg::Reader gives, and nobody else: one or three planes whose samples stand for as many pixels as
  // Layout::samples says.
  kSampledGray,
  kSampledYuv
};

// How luma and chroma stand for colours, and which of the 256 codes they use.
enum class Matrix { kBt601, kBt709 };
enum class Range { kLimited, kFull };

// By which lib/image/pixels.ts knows them.
const char* ToString(PixelFormat format);
const char* ToString(Matrix matrix);
const char* ToString(Range range);

// Longest side. Every product below then fits 64 bits.
constexpr uint32_t kMostPixels = 1u << 22;

constexpr size_t kMostPlanes = 3;

// Pixels that a sample of a plane stands for.
struct Sample {
  uint32_t down = 1, across = 1;
};

// Where pixels lie in memory.
struct Layout {
  PixelFormat format = PixelFormat::kRgb24;
  uint32_t width = 0;
  uint32_t height = 0;
  // Of each plane: bytes from its first to the next row, and from the start of the memory to it.
  std::array<size_t, kMostPlanes> strides{};
  std::array<size_t, kMostPlanes> offsets{};
  Matrix matrix = Matrix::kBt601;
  Range range = Range::kLimited;
  // Of the formats whose samples stand for several pixels.
  std::array<Sample, kMostPlanes> samples{};
  // The part to look at, in pixels.
  struct Region {
    uint32_t x = 0;
    uint32_t y = 0;
    uint32_t width = 0;
    uint32_t height = 0;
  } region;
};

// Pixels somebody else owns. Made by View, which has checked that all of them lie in that memory.
class Picture {
 public:
  // Throws Error where a row of a plane lies outside of the `size` bytes, or the layout makes no sense.
  static Picture View(const uint8_t* data, size_t size, const Layout& layout);

  const Layout& layout() const { return layout_; }
  // Row `y` of a plane, counted in the plane's own rows from the top of the whole picture.
  const uint8_t* Row(size_t plane, size_t y) const {
    return data_ + layout_.offsets[plane] + y * layout_.strides[plane];
  }
  // Whether `bytes` from `start` on, a place in this memory, can be read.
  bool Holds(const uint8_t* start, size_t bytes) const { return bytes <= size_ - static_cast<size_t>(start - data_); }

 private:
  Picture(const uint8_t* data, size_t size, const Layout& layout) : data_(data), size_(size), layout_(layout) {}

  const uint8_t* data_;
  size_t size_;
  Layout layout_;
};

// Planes of a format, and the bytes and rows of one of them.
size_t PlaneCount(PixelFormat format);
size_t RowBytes(const Layout& layout, size_t plane);
size_t RowCount(const Layout& layout, size_t plane);
// The pixels that a sample of luma, or of all colours, stands for, and one of chroma.
Sample SampleOf(const Layout& layout);
Sample ChromaSampleOf(const Layout& layout);

}  // namespace neonsense::image
