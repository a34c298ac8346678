#include "image/axis.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace neonsense::image {
namespace {

double Triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

// Keys' cubic with a = -0.5.
double Cubic(double signed_x) {
  const double x = std::abs(signed_x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

int32_t Fixed(double weight) {
  return static_cast<int32_t>(weight * (1 << FilterAxis::kWeightBits) + (weight < 0 ? -0.5 : 0.5));
}

// Positions in units of which a sample has `sample` and a cell `length`.
struct Cells {
  uint64_t start;
  uint64_t length;
  uint64_t sample;
  uint32_t count;
};

void MakeCells(const Cells& cells, AreaAxis* axis) {
  axis->first.resize(cells.count);
  axis->last.resize(cells.count);
  axis->first_share.resize(cells.count);
  axis->last_share.resize(cells.count);
  const uint64_t sample = cells.sample;
  const auto share = [sample](uint64_t part) { return static_cast<double>(part) / static_cast<double>(sample); };
  axis->cell = share(cells.length);
  const uint64_t part = std::gcd(std::gcd(cells.start, cells.length), sample);
  axis->parts = sample / part;
  axis->cell_parts = cells.length / part;
  for (uint32_t i = 0; i < cells.count; i++) {
    const uint64_t begin = cells.start + i * cells.length;
    const uint64_t end = begin + cells.length;
    const uint64_t first = begin / sample;
    const uint64_t last = (end + sample - 1) / sample - 1;
    axis->first[i] = static_cast<uint32_t>(first);
    axis->last[i] = static_cast<uint32_t>(last);
    axis->first_share[i] = share(std::min(end, (first + 1) * sample) - begin);
    axis->last_share[i] = last > first ? share(end - last * sample) : 0;
  }
}

}  // namespace

void MakeAreaAxis(const Span& span, uint32_t cells, uint32_t pixels_per_sample, AreaAxis* axis) {
  // A pixel has resized * cells units. Averaging shrinks, so that is less than pixels * seen, and no position exceeds
  // 2 * 2^22 * 2^22 * 2^16.
  const uint64_t pixel = span.resized * cells;
  const uint64_t start = span.first * pixel + span.pixels * span.from * cells;
  MakeCells({start, uint64_t{span.pixels} * span.seen, pixel * pixels_per_sample, cells}, axis);
}

void MakePixelAxis(const Span& span, uint32_t pixels_per_sample, AreaAxis* axis) {
  MakeCells({span.first, 1, pixels_per_sample, span.pixels}, axis);
}

void MakeBilinearAxis(uint32_t source, uint64_t resized, uint64_t from, uint32_t count, BilinearAxis* axis) {
  axis->low.resize(count);
  axis->high.resize(count);
  axis->share.resize(count);
  const double scale = static_cast<float>(static_cast<double>(source) / static_cast<double>(resized));
  for (uint32_t i = 0; i < count; i++) {
    const auto target = static_cast<double>(from + i);
    const double position = source == resized ? target : std::max(0.0, scale * (target + 0.5) - 0.5);
    const auto low = static_cast<uint32_t>(std::min(std::floor(position), source - 1.0));
    axis->low[i] = low;
    axis->high[i] = std::min(low + 1, source - 1);
    axis->share[i] = static_cast<float>(position - low);
  }
}

void MakeFilterAxis(const Span& span, Interpolation interpolation, FilterAxis* axis) {
  const bool cubic = interpolation == Interpolation::kBicubic;
  const double scale = static_cast<double>(span.pixels) / static_cast<double>(span.resized);
  // As wide as a pixel of the target where the axis shrinks.
  const double width = std::max(1.0, scale);
  const double reach = (cubic ? 2.0 : 1.0) * width;
  axis->taps = (static_cast<size_t>(std::ceil(reach)) * 2 + 1 + 1) / 2 * 2;
  axis->first.resize(span.seen);
  axis->count.resize(span.seen);
  axis->weights.assign(span.seen * axis->taps, 0);
  std::vector<double> exact(axis->taps);
  for (uint32_t i = 0; i < span.seen; i++) {
    const double centre = (static_cast<double>(span.from + i) + 0.5) * scale;
    const auto low = static_cast<uint32_t>(std::max(0.0, centre - reach + 0.5));
    const auto high = static_cast<uint32_t>(std::min<double>(span.pixels, std::trunc(centre + reach + 0.5)));
    double sum = 0;
    for (uint32_t k = 0; k < high - low; k++) {
      const double x = (low + k - centre + 0.5) * (1.0 / width);
      exact[k] = cubic ? Cubic(x) : Triangle(x);
      sum += exact[k];
    }
    for (uint32_t k = 0; k < high - low; k++) {
      axis->weights[i * axis->taps + k] = Fixed(sum == 0 ? exact[k] : exact[k] / sum);
    }
    axis->first[i] = span.first + low;
    axis->count[i] = high - low;
  }
}

}  // namespace neonsense::image
