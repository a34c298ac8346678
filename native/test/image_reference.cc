#include "image_reference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

namespace neonsense::image::test {
namespace {

using Colour = std::array<double, 3>;

class Source {
 public:
  explicit Source(const OwnPicture& picture) : bytes_(picture.bytes), layout_(picture.layout) {}

  int width() const { return static_cast<int>(layout_.region.width); }
  int height() const { return static_cast<int>(layout_.region.height); }

  // A pixel of the region as a real colour that is not clamped.
  Colour Exact(int column, int row) const { return Converted(column, row, &Source::FromYuv); }

  // The same in whole steps of 255, clamped.
  Colour Whole(int column, int row) const {
    Colour colour = Converted(column, row, &Source::WholeFromYuv);
    for (double& value : colour) value = std::round(std::clamp(value, 0.0, 255.0));
    return colour;
  }

 private:
  using FromYuvFunction = Colour (Source::*)(double y, double u, double v) const;

  Colour Converted(int column, int row, FromYuvFunction convert) const {
    const size_t x = layout_.region.x + column, y = layout_.region.y + row;
    switch (layout_.format) {
      case PixelFormat::kRgb24:
        return {At(0, y, x * 3), At(0, y, x * 3 + 1), At(0, y, x * 3 + 2)};
      case PixelFormat::kBgr24:
        return {At(0, y, x * 3 + 2), At(0, y, x * 3 + 1), At(0, y, x * 3)};
      case PixelFormat::kRgba:
      case PixelFormat::kBgra: {
        const double alpha = At(0, y, x * 4 + 3);
        const bool swapped = layout_.format == PixelFormat::kBgra;
        Colour colour;
        for (size_t c = 0; c < 3; c++) {
          colour[c] = std::round((At(0, y, x * 4 + (swapped ? 2 - c : c)) * alpha + 255 * (255 - alpha)) / 255);
        }
        return colour;
      }
      case PixelFormat::kGray:
        return {At(0, y, x), At(0, y, x), At(0, y, x)};
      case PixelFormat::kYuv420p:
        return (this->*convert)(At(0, y, x), At(1, y / 2, x / 2), At(2, y / 2, x / 2));
      case PixelFormat::kNv12:
        return (this->*convert)(At(0, y, x), At(1, y / 2, x / 2 * 2), At(1, y / 2, x / 2 * 2 + 1));
      case PixelFormat::kYuyv422:
        return (this->*convert)(At(0, y, x * 2), At(0, y, x / 2 * 4 + 1), At(0, y, x / 2 * 4 + 3));
      case PixelFormat::kRgb565le: {
        const int bits = static_cast<int>(At(0, y, x * 2)) | static_cast<int>(At(0, y, x * 2 + 1)) << 8;
        return {(bits >> 11) * 255 / 31.0, (bits >> 5 & 63) * 255 / 63.0, (bits & 31) * 255 / 31.0};
      }
      case PixelFormat::kSampledGray:
      case PixelFormat::kSampledYuv:
        break;
    }
    return {};
  }

  double At(size_t plane, size_t row, size_t byte) const {
    return bytes_[layout_.offsets[plane] + row * layout_.strides[plane] + byte];
  }

  // What a pixel on its own is in whole steps: coefficients have 20 bits behind the point, and halves go up.
  Colour WholeFromYuv(double y, double u, double v) const {
    // The matrix is linear in each of these, so its coefficients are what it makes of their units.
    const Colour zero = FromYuv(0, 128, 128);
    const double offset = layout_.range == Range::kFull ? 0 : 16;
    const Colour units[3] = {FromYuv(1, 128, 128), FromYuv(0, 129, 128), FromYuv(0, 128, 129)};
    Colour colour;
    for (size_t c = 0; c < 3; c++) {
      double fixed = 0;
      const double codes[3] = {y - offset, u - 128, v - 128};
      for (size_t k = 0; k < 3; k++) fixed += std::round((units[k][c] - zero[c]) * 1048576) * codes[k];
      colour[c] = std::clamp(std::floor((fixed + 524288) / 1048576), 0.0, 255.0);
    }
    return colour;
  }

  // ITU-R BT.601 and BT.709 as they are written down, with Kr and Kb.
  Colour FromYuv(double y, double u, double v) const {
    const double kr = layout_.matrix == Matrix::kBt601 ? 0.299 : 0.2126;
    const double kb = layout_.matrix == Matrix::kBt601 ? 0.114 : 0.0722;
    const bool full = layout_.range == Range::kFull;
    const double luma = full ? y / 255 : (y - 16) / 219;
    const double pb = (u - 128) / (full ? 255 : 224), pr = (v - 128) / (full ? 255 : 224);
    const double red = luma + 2 * (1 - kr) * pr;
    const double blue = luma + 2 * (1 - kb) * pb;
    const double green = (luma - kr * red - kb * blue) / (1 - kr - kb);
    return {255 * red, 255 * green, 255 * blue};
  }

  const std::vector<uint8_t>& bytes_;
  const Layout& layout_;
};

// A grid of colours.
struct Grid {
  int width;
  int height;
  std::vector<Colour> colours;

  const Colour& at(int x, int y) const { return colours[static_cast<size_t>(y) * width + x]; }
};

double Even(double value) { return std::nearbyint(value); }

struct Axis {
  int pixels;
  double resized, from;
  int seen;
};

// Cells of an axis as intervals of pixels: those of `count` over what is seen, or the pixels themselves.
std::vector<std::pair<double, double>> Cells(const Axis& axis, int count, bool shrinks) {
  std::vector<std::pair<double, double>> cells;
  if (!shrinks) {
    for (int i = 0; i < axis.pixels; i++) cells.push_back({i, i + 1});
    return cells;
  }
  const double scale = axis.pixels / axis.resized;
  for (int i = 0; i < count; i++) {
    cells.push_back(
        {(axis.from + axis.seen * double(i) / count) * scale, (axis.from + axis.seen * double(i + 1) / count) * scale});
  }
  return cells;
}

Grid Averaged(const Source& source, const Axis& down, const Axis& across, int rows, int columns, bool shrinks_down,
              bool shrinks_across) {
  const auto y_cells = Cells(down, rows, shrinks_down), x_cells = Cells(across, columns, shrinks_across);
  Grid grid{static_cast<int>(x_cells.size()), static_cast<int>(y_cells.size()), {}};
  for (const auto& [top, bottom] : y_cells) {
    for (const auto& [left, right] : x_cells) {
      Colour sum{};
      for (int y = int(top); y < source.height() && y < bottom; y++) {
        const double tall = std::min(bottom, y + 1.0) - std::max(top, double(y));
        for (int x = int(left); x < source.width() && x < right; x++) {
          const double wide = std::min(right, x + 1.0) - std::max(left, double(x));
          const Colour colour = source.Exact(x, y);
          if (tall > 0 && wide > 0) {
            for (size_t c = 0; c < 3; c++) sum[c] += tall * wide * colour[c];
          }
        }
      }
      for (double& value : sum) value = std::clamp(value / ((bottom - top) * (right - left)), 0.0, 255.0);
      grid.colours.push_back(sum);
    }
  }
  return grid;
}

struct Tap {
  int low, high;
  double share;
};

Tap TapOf(int source, double resized, double position) {
  const double scale = static_cast<float>(source / resized);
  const double at = source == resized ? position : std::max(0.0, scale * (position + 0.5) - 0.5);
  const int low = std::min(int(at), source - 1);
  return {low, std::min(low + 1, source - 1), at - low};
}

// PIL's filters, by their definition: the weights of an output position, in whole units of 2^-22.
std::vector<std::pair<int, int64_t>> Weights(int source, double resized, double position, bool cubic) {
  const double scale = source / resized, width = std::max(scale, 1.0), reach = (cubic ? 2 : 1) * width;
  const double centre = (position + 0.5) * scale;
  const int low = std::max(0, int(centre - reach + 0.5)), high = std::min(source, int(centre + reach + 0.5));
  std::vector<double> exact;
  double sum = 0;
  for (int i = low; i < high; i++) {
    const double x = std::abs((i - centre + 0.5) * (1.0 / width));
    double weight = std::max(0.0, 1 - x);
    if (cubic) weight = x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
    exact.push_back(weight);
    sum += weight;
  }
  std::vector<std::pair<int, int64_t>> weights;
  for (int i = low; i < high; i++) {
    const double weight = exact[i - low] / sum * 4194304;
    weights.push_back({i, static_cast<int64_t>(weight < 0 ? weight - 0.5 : weight + 0.5)});
  }
  return weights;
}

template <typename At>
Colour Weighted(const std::vector<std::pair<int, int64_t>>& weights, At at) {
  Colour result;
  for (size_t c = 0; c < 3; c++) {
    int64_t sum = 2097152;
    for (const auto& [i, weight] : weights) sum += weight * static_cast<int64_t>(at(i)[c]);
    result[c] = static_cast<double>(std::clamp<int64_t>(sum >> 22, 0, 255));
  }
  return result;
}

}  // namespace

OwnPicture RandomPicture(PixelFormat format, uint32_t width, uint32_t height, uint32_t seed, size_t gap,
                         bool transparent) {
  OwnPicture picture;
  Layout& layout = picture.layout;
  layout.format = format;
  layout.width = width;
  layout.height = height;
  layout.region = {0, 0, width, height};
  size_t bytes = 0;
  for (size_t plane = 0; plane < PlaneCount(format); plane++) {
    const size_t rows = RowCount(layout, plane);
    layout.offsets[plane] = bytes;
    layout.strides[plane] = RowBytes(layout, plane) + gap;
    // The last row of the last plane ends where its pixels do.
    bytes += layout.strides[plane] * rows - (plane + 1 == PlaneCount(format) ? gap : 0);
  }
  std::mt19937 random(seed);
  for (size_t i = 0; i < bytes; i++) picture.bytes.push_back(static_cast<uint8_t>(random() >> 24));
  if ((format == PixelFormat::kRgba || format == PixelFormat::kBgra) && !transparent) {
    for (size_t y = 0; y < height; y++) {
      for (size_t x = 0; x < width; x++) picture.bytes[y * layout.strides[0] + x * 4 + 3] = 255;
    }
  }
  return picture;
}

std::vector<double> Reference(const OwnPicture& picture, const Preprocessing& p) {
  const Source source(picture);
  const int size[2] = {int(p.size[0]), int(p.size[1])};
  const int pixels[2] = {source.height(), source.width()};
  Axis axes[2];
  int place[2] = {0, 0};
  for (int a = 0; a < 2; a++) {
    axes[a] = {pixels[a], double(size[a]), 0, size[a]};
    if (p.fit == Fit::kLetterbox) {
      const double ratio = std::max(double(pixels[0]) / size[0], double(pixels[1]) / size[1]);
      axes[a].seen = std::clamp(int(Even(pixels[a] / ratio)), 1, size[a]);
      axes[a].resized = axes[a].seen;
      place[a] = (size[a] - axes[a].seen) / 2;
    } else if (p.resize != 0) {
      const bool is_shorter = pixels[a] <= pixels[1 - a] || p.fit == Fit::kSquash;
      axes[a].resized = is_shorter ? p.resize : std::floor(double(p.resize) * pixels[a] / pixels[1 - a]);
      axes[a].from = Even((axes[a].resized - size[a]) / 2);
    }
  }
  const auto normal = [&p](double value, size_t c) {
    return (p.range[0] + value / 255 * (p.range[1] - p.range[0]) - p.mean[c]) / p.std[c];
  };
  std::vector<double> output;
  for (int i = 0; i < size[0] * size[1] * 3; i++) output.push_back(normal(p.fill[i % 3], i % 3));
  const auto put = [&](int y, int x, const Colour& colour) {
    for (size_t c = 0; c < 3; c++) {
      output[(size_t(place[0] + y) * size[1] + place[1] + x) * 3 + c] = normal(colour[c], c);
    }
  };
  if (p.antialias) {
    const bool cubic = p.interpolation == Interpolation::kBicubic;
    for (int x = 0; x < axes[1].seen; x++) {
      const auto across = Weights(axes[1].pixels, axes[1].resized, axes[1].from + x, cubic);
      std::vector<Colour> column;
      for (int y = 0; y < pixels[0]; y++) {
        column.push_back(Weighted(across, [&](int i) { return source.Whole(i, y); }));
      }
      for (int y = 0; y < axes[0].seen; y++) {
        const auto down = Weights(axes[0].pixels, axes[0].resized, axes[0].from + y, cubic);
        put(y, x, Weighted(down, [&](int i) { return column[i]; }));
      }
    }
    return output;
  }
  const bool area = p.reduce || p.interpolation == Interpolation::kArea;
  int cells[2];
  bool shrinks[2];
  for (int a = 0; a < 2; a++) {
    cells[a] = p.reduce ? int((*p.reduce)[a]) : axes[a].seen;
    shrinks[a] = area && pixels[a] * double(axes[a].seen) > cells[a] * axes[a].resized;
  }
  Grid grid;
  if (shrinks[0] || shrinks[1]) {
    grid = Averaged(source, axes[0], axes[1], cells[0], cells[1], shrinks[0], shrinks[1]);
  } else {
    grid = {pixels[1], pixels[0], {}};
    for (int y = 0; y < pixels[0]; y++) {
      for (int x = 0; x < pixels[1]; x++) grid.colours.push_back(source.Whole(x, y));
    }
  }
  for (int y = 0; y < axes[0].seen; y++) {
    const Tap v = shrinks[0] ? TapOf(cells[0], axes[0].seen, y) : TapOf(pixels[0], axes[0].resized, axes[0].from + y);
    for (int x = 0; x < axes[1].seen; x++) {
      const Tap h = shrinks[1] ? TapOf(cells[1], axes[1].seen, x) : TapOf(pixels[1], axes[1].resized, axes[1].from + x);
      Colour colour;
      for (size_t c = 0; c < 3; c++) {
        colour[c] = (1 - v.share) * ((1 - h.share) * grid.at(h.low, v.low)[c] + h.share * grid.at(h.high, v.low)[c]) +
                    v.share * ((1 - h.share) * grid.at(h.low, v.high)[c] + h.share * grid.at(h.high, v.high)[c]);
      }
      put(y, x, colour);
    }
  }
  return output;
}

}  // namespace neonsense::image::test
