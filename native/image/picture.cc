#include "image/picture.h"

#include <string>

#include "image/error.h"

namespace neonsense::image {
namespace {

// Strides and offsets beyond this are refused, so that nothing below overflows.
constexpr uint64_t kMostBytes = uint64_t{1} << 40;

bool IsSampled(PixelFormat format) { return format == PixelFormat::kSampledGray || format == PixelFormat::kSampledYuv; }

size_t DividedUp(size_t value, size_t by) { return (value + by - 1) / by; }

void CheckSides(const Layout& layout) {
  if (layout.width < 1 || layout.height < 1 || layout.width > kMostPixels || layout.height > kMostPixels) {
    throw Error("A picture has 1 to " + std::to_string(kMostPixels) + " pixels a side, not " +
                std::to_string(layout.width) + " x " + std::to_string(layout.height));
  }
  const auto& [x, y, width, height] = layout.region;
  if (width < 1 || height < 1 || width > layout.width || height > layout.height || x > layout.width - width ||
      y > layout.height - height) {
    throw Error("The region does not lie in the picture");
  }
}

void CheckPlane(const Layout& layout, size_t plane, size_t size) {
  const uint64_t stride = layout.strides[plane];
  const uint64_t offset = layout.offsets[plane];
  const uint64_t row = RowBytes(layout, plane);
  const uint64_t rows = RowCount(layout, plane);
  if (stride < row || stride > kMostBytes || offset > kMostBytes) {
    throw Error("Plane " + std::to_string(plane) + " needs a stride of at least " + std::to_string(row) + " bytes");
  }
  if (offset + stride * (rows - 1) + row > size) {
    throw Error("Plane " + std::to_string(plane) + " does not lie in the " + std::to_string(size) + " bytes given");
  }
}

}  // namespace

Picture Picture::View(const uint8_t* data, size_t size, const Layout& layout) {
  CheckSides(layout);
  for (size_t plane = 0; plane < PlaneCount(layout.format); plane++) CheckPlane(layout, plane, size);
  return {data, size, layout};
}

const char* ToString(PixelFormat format) {
  switch (format) {
    case PixelFormat::kRgb24:
      return "rgb24";
    case PixelFormat::kBgr24:
      return "bgr24";
    case PixelFormat::kRgba:
      return "rgba";
    case PixelFormat::kBgra:
      return "bgra";
    case PixelFormat::kGray:
      return "gray";
    case PixelFormat::kYuv420p:
      return "yuv420p";
    case PixelFormat::kNv12:
      return "nv12";
    case PixelFormat::kYuyv422:
      return "yuyv422";
    case PixelFormat::kRgb565le:
      return "rgb565le";
    case PixelFormat::kSampledGray:
    case PixelFormat::kSampledYuv:
      break;
  }
  return "";
}

const char* ToString(Matrix matrix) { return matrix == Matrix::kBt601 ? "bt601" : "bt709"; }

const char* ToString(Range range) { return range == Range::kLimited ? "limited" : "full"; }

size_t PlaneCount(PixelFormat format) {
  switch (format) {
    case PixelFormat::kYuv420p:
    case PixelFormat::kSampledYuv:
      return 3;
    case PixelFormat::kNv12:
      return 2;
    default:
      return 1;
  }
}

size_t RowBytes(const Layout& layout, size_t plane) {
  const size_t pixels = layout.width;
  const size_t pairs = (pixels + 1) / 2;
  switch (layout.format) {
    case PixelFormat::kRgb24:
    case PixelFormat::kBgr24:
      return pixels * 3;
    case PixelFormat::kRgba:
    case PixelFormat::kBgra:
      return pixels * 4;
    case PixelFormat::kGray:
      return pixels;
    case PixelFormat::kYuv420p:
      return plane == 0 ? pixels : pairs;
    case PixelFormat::kNv12:
      return plane == 0 ? pixels : pairs * 2;
    case PixelFormat::kYuyv422:
      return pairs * 4;
    case PixelFormat::kRgb565le:
      return pixels * 2;
    case PixelFormat::kSampledGray:
    case PixelFormat::kSampledYuv:
      return DividedUp(pixels, layout.samples[plane].across);
  }
  return 0;
}

size_t RowCount(const Layout& layout, size_t plane) {
  return DividedUp(layout.height, (plane == 0 ? SampleOf(layout) : ChromaSampleOf(layout)).down);
}

Sample SampleOf(const Layout& layout) { return IsSampled(layout.format) ? layout.samples[0] : Sample{}; }

Sample ChromaSampleOf(const Layout& layout) {
  switch (layout.format) {
    case PixelFormat::kYuv420p:
    case PixelFormat::kNv12:
      return {2, 2};
    case PixelFormat::kYuyv422:
      return {1, 2};
    case PixelFormat::kSampledYuv:
      return layout.samples[1];
    default:
      return SampleOf(layout);
  }
}

}  // namespace neonsense::image
