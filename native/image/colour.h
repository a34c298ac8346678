#pragma once

#include <cstdint>
#include <vector>

#include "image/picture.h"

namespace neonsense::image {

// A colour from luma and chroma, all in units of 8-bit codes: red = luma * (y - offset) + red_v * (v - 128), and so on.
struct YuvMatrix {
  double offset, luma, red_v, green_u, green_v, blue_u;
};

YuvMatrix MatrixOf(Matrix matrix, Range range);

// What 5 and 6 bits of a colour stand for, as a share of the 8-bit code they are closest to.
constexpr double kFiveBits = 255.0 / 31;
constexpr double kSixBits = 255.0 / 63;

// Lays `pixels` RGBA or BGRA pixels over white, in place of their alpha 255.
void LayOverWhite(const uint8_t* row, size_t pixels, uint8_t* output);
// The bits of `pixels` rgb565le pixels, three bytes each.
void UnpackRgb565(const uint8_t* row, size_t pixels, uint8_t* output);

// Rows of a picture as 8-bit RGB, every pixel converted by itself. Chroma of half the resolution is that of the nearest
// sample; colours beyond 0 and 255 are clamped.
class RgbRows {
 public:
  // A row may be read this far past its end.
  static constexpr size_t kSlackBytes = 16;

  // Of columns `first` to `end` of the picture.
  void Start(const Picture& picture, uint32_t first, uint32_t end);
  // [end - first, 3], valid until the next call.
  const uint8_t* Row(uint32_t y);

 private:
  void FromYuv(const uint8_t* luma, size_t luma_step, const uint8_t* u, const uint8_t* v, size_t chroma_step);

  const Picture* picture_ = nullptr;
  uint32_t first_ = 0;
  uint32_t end_ = 0;
  // In fixed point.
  int32_t offset_ = 0, luma_ = 0, red_v_ = 0, green_u_ = 0, green_v_ = 0, blue_u_ = 0;
  std::vector<uint8_t> row_;
};

}  // namespace neonsense::image
