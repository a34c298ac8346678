#include "image/colour.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "image/error.h"

namespace neonsense::image {
namespace {

// Bits behind the point of a colour matrix: the largest sum, about 600 times this, fits 32 bits.
constexpr int kMatrixBits = 20;

int32_t Fixed(double coefficient) { return static_cast<int32_t>(std::lround(coefficient * (1 << kMatrixBits))); }

uint8_t ToByte(int32_t fixed) {
  return static_cast<uint8_t>(std::clamp((fixed + (1 << (kMatrixBits - 1))) >> kMatrixBits, 0, 255));
}

// product / 255 to the nearest, for products up to 255 * 255.
uint8_t DividedBy255(uint32_t product) {
  const uint32_t half = product + 128;
  return static_cast<uint8_t>((half + (half >> 8)) >> 8);
}

}  // namespace

YuvMatrix MatrixOf(Matrix matrix, Range range) {
  const double kr = matrix == Matrix::kBt601 ? 0.299 : 0.2126;
  const double kb = matrix == Matrix::kBt601 ? 0.114 : 0.0722;
  const double kg = 1 - kr - kb;
  const bool limited = range == Range::kLimited;
  const double luma = limited ? 255.0 / 219 : 1;
  const double chroma = limited ? 255.0 / 224 : 1;
  return {limited ? 16.0 : 0.0,
          luma,
          2 * (1 - kr) * chroma,
          -2 * kb * (1 - kb) / kg * chroma,
          -2 * kr * (1 - kr) / kg * chroma,
          2 * (1 - kb) * chroma};
}

void LayOverWhite(const uint8_t* row, size_t pixels, uint8_t* output) {
  for (size_t i = 0; i < pixels; i++, row += 4, output += 4) {
    const uint32_t alpha = row[3];
    const uint32_t white = 255 * (255 - alpha);
    for (size_t c = 0; c < 3; c++) output[c] = DividedBy255(row[c] * alpha + white);
    output[3] = 255;
  }
}

void UnpackRgb565(const uint8_t* row, size_t pixels, uint8_t* output) {
  for (size_t i = 0; i < pixels; i++, row += 2, output += 3) {
    output[0] = row[1] >> 3;
    output[1] = static_cast<uint8_t>((row[1] & 7) << 3 | row[0] >> 5);
    output[2] = row[0] & 31;
  }
}

void RgbRows::Start(const Picture& picture, uint32_t first, uint32_t end) {
  picture_ = &picture;
  first_ = first;
  end_ = end;
  const YuvMatrix matrix = MatrixOf(picture.layout().matrix, picture.layout().range);
  offset_ = static_cast<int32_t>(matrix.offset);
  luma_ = Fixed(matrix.luma);
  red_v_ = Fixed(matrix.red_v);
  green_u_ = Fixed(matrix.green_u);
  green_v_ = Fixed(matrix.green_v);
  blue_u_ = Fixed(matrix.blue_u);
  row_.resize((end - first) * size_t{4} + kSlackBytes);
}

const uint8_t* RgbRows::Row(uint32_t y) {
  const Picture& picture = *picture_;
  const size_t pixels = end_ - first_;
  uint8_t* row = row_.data();
  switch (picture.layout().format) {
    case PixelFormat::kRgb24: {
      const uint8_t* source = picture.Row(0, y) + first_ * size_t{3};
      if (picture.Holds(source, pixels * 3 + kSlackBytes)) return source;
      std::memcpy(row, source, pixels * 3);
      break;
    }
    case PixelFormat::kBgr24: {
      const uint8_t* source = picture.Row(0, y) + first_ * size_t{3};
      for (size_t i = 0; i < pixels * 3; i += 3) {
        row[i] = source[i + 2];
        row[i + 1] = source[i + 1];
        row[i + 2] = source[i];
      }
      break;
    }
    case PixelFormat::kRgba:
    case PixelFormat::kBgra: {
      const bool swapped = picture.layout().format == PixelFormat::kBgra;
      LayOverWhite(picture.Row(0, y) + first_ * size_t{4}, pixels, row);
      for (size_t i = 0; i < pixels; i++) {
        const uint8_t red = row[i * 4 + (swapped ? 2 : 0)], blue = row[i * 4 + (swapped ? 0 : 2)];
        row[i * 3 + 1] = row[i * 4 + 1];
        row[i * 3] = red;
        row[i * 3 + 2] = blue;
      }
      break;
    }
    case PixelFormat::kGray: {
      const uint8_t* source = picture.Row(0, y) + first_;
      for (size_t i = 0; i < pixels; i++) row[i * 3] = row[i * 3 + 1] = row[i * 3 + 2] = source[i];
      break;
    }
    case PixelFormat::kYuv420p:
      FromYuv(picture.Row(0, y), 1, picture.Row(1, y / 2), picture.Row(2, y / 2), 1);
      break;
    case PixelFormat::kNv12:
      FromYuv(picture.Row(0, y), 1, picture.Row(1, y / 2), picture.Row(1, y / 2) + 1, 2);
      break;
    case PixelFormat::kYuyv422:
      FromYuv(picture.Row(0, y), 2, picture.Row(0, y) + 1, picture.Row(0, y) + 3, 4);
      break;
    case PixelFormat::kRgb565le: {
      UnpackRgb565(picture.Row(0, y) + first_ * size_t{2}, pixels, row);
      for (size_t i = 0; i < pixels * 3; i += 3) {
        // To the nearest of 255 steps.
        row[i] = static_cast<uint8_t>((row[i] * 527 + 23) >> 6);
        row[i + 1] = static_cast<uint8_t>((row[i + 1] * 259 + 33) >> 6);
        row[i + 2] = static_cast<uint8_t>((row[i + 2] * 527 + 23) >> 6);
      }
      break;
    }
    case PixelFormat::kSampledGray:
    case PixelFormat::kSampledYuv:
      throw Error("Samples that stand for several pixels are only averaged");
  }
  return row;
}

void RgbRows::FromYuv(const uint8_t* luma, size_t luma_step, const uint8_t* u, const uint8_t* v, size_t chroma_step) {
  uint8_t* output = row_.data();
  for (uint32_t x = first_; x < end_; x++, output += 3) {
    const int32_t y = luma_ * (luma[x * luma_step] - offset_);
    const int32_t cu = u[x / 2 * chroma_step] - 128;
    const int32_t cv = v[x / 2 * chroma_step] - 128;
    output[0] = ToByte(y + red_v_ * cv);
    output[1] = ToByte(y + green_u_ * cu + green_v_ * cv);
    output[2] = ToByte(y + blue_u_ * cu);
  }
}

}  // namespace neonsense::image
