#include "image/preprocessor.h"

#include <algorithm>
#include <cstring>

#include "image/filter.h"

namespace neonsense::image {
namespace {

bool SameSample(const Sample& a, const Sample& b) { return a.down == b.down && a.across == b.across; }

bool SameGeometry(const Layout& a, const Layout& b) {
  return SameSample(SampleOf(a), SampleOf(b)) && SameSample(ChromaSampleOf(a), ChromaSampleOf(b)) &&
         a.format == b.format && a.width == b.width && a.height == b.height && a.region.x == b.region.x &&
         a.region.y == b.region.y && a.region.width == b.region.width && a.region.height == b.region.height;
}

// Whether it leaves `source` positions as they are.
bool IsIdentity(const BilinearAxis& axis, size_t source) {
  if (axis.size() != source) return false;
  for (uint32_t i = 0; i < source; i++) {
    if (axis.low[i] != i || axis.share[i] != 0) return false;
  }
  return true;
}

// (1 - share) * a + share * b
void Blend(const float* __restrict a, const float* __restrict b, float share, size_t count, float* __restrict output) {
  const float rest = 1 - share;
  for (size_t i = 0; i < count; i++) output[i] = rest * a[i] + share * b[i];
}

}  // namespace

Preprocessor::Preprocessor(const Preprocessing& preprocessing) : preprocessing_(preprocessing) {
  Validate(preprocessing);
  for (size_t c = 0; c < 3; c++) {
    mean_[c] = static_cast<float>(preprocessing.mean[c]);
    std_[c] = static_cast<float>(preprocessing.std[c]);
    for (size_t code = 0; code < 256; code++) codes_[code * 3 + c] = Normalized(static_cast<double>(code), c);
  }
  const size_t row = preprocessing.size[1] * size_t{3};
  fill_.resize(row + RowSink::kSlackFloats);
  for (size_t i = 0; i < row; i++) fill_[i] = Normalized(preprocessing.fill[i % 3], i % 3);
}

// Each step rounded to float32, as PyTorch's tensors are.
float Preprocessor::Normalized(double value, size_t channel) const {
  const auto [low, high] = preprocessing_.range;
  const auto scaled = static_cast<float>(low + value / 255 * (high - low));
  return (scaled - mean_[channel]) / std_[channel];
}

void Preprocessor::Run(const Picture& picture, RowSink& sink) {
  Prepare(picture.layout());
  const uint32_t top = placement_.place[0];
  const uint32_t bottom = top + placement_.seen[0];
  for (uint32_t y = 0; y < top; y++) sink.Put(y, fill_.data());
  if (preprocessing_.antialias) {
    Filter(picture, sink);
  } else {
    Interpolate(picture, sink);
  }
  for (uint32_t y = bottom; y < preprocessing_.size[0]; y++) sink.Put(y, fill_.data());
}

// Finds where pixels go, unless the last picture's went there too.
void Preprocessor::Prepare(const Layout& layout) {
  const bool prepared = layout_.width != 0 && SameGeometry(layout, layout_);
  layout_ = layout;
  if (prepared) return;
  const Preprocessing& p = preprocessing_;
  const auto& [x, y, width, height] = layout.region;
  placement_ = PlacementOf(p, {height, width});
  row_ = fill_;
  std::array<Span, 2> spans;
  for (size_t axis = 0; axis < 2; axis++) {
    spans[axis] = {axis == 0 ? y : x, axis == 0 ? height : width, placement_.resized[axis], placement_.from[axis],
                   placement_.seen[axis]};
  }
  if (p.antialias) {
    for (size_t axis = 0; axis < 2; axis++) MakeFilterAxis(spans[axis], p.interpolation, &filter_[axis]);
    return;
  }
  const Sample sample = SampleOf(layout), chroma = ChromaSampleOf(layout);
  const uint32_t pixels[2] = {sample.down, sample.across}, chroma_pixels[2] = {chroma.down, chroma.across};
  averages_ = false;
  std::array<bool, 2> shrinks{};
  std::array<uint32_t, 2> cells{};
  for (size_t axis = 0; axis < 2; axis++) {
    const Span& span = spans[axis];
    const bool area = p.reduce || p.interpolation == Interpolation::kArea;
    cells[axis] = p.reduce ? (*p.reduce)[axis] : span.seen;
    // An axis of which no more pixels are seen than there would be cells is left as it is.
    shrinks[axis] = area && uint64_t{span.pixels} * span.seen > cells[axis] * span.resized;
    averages_ = averages_ || shrinks[axis];
  }
  for (size_t axis = 0; axis < 2; axis++) {
    const Span& span = spans[axis];
    if (shrinks[axis]) {
      MakeAreaAxis(span, cells[axis], pixels[axis], &area_[axis]);
      MakeAreaAxis(span, cells[axis], chroma_pixels[axis], &chroma_area_[axis]);
      MakeBilinearAxis(cells[axis], span.seen, 0, span.seen, &bilinear_[axis]);
    } else {
      if (averages_) {
        MakePixelAxis(span, pixels[axis], &area_[axis]);
        MakePixelAxis(span, chroma_pixels[axis], &chroma_area_[axis]);
      }
      MakeBilinearAxis(span.pixels, span.resized, span.from, span.seen, &bilinear_[axis]);
    }
  }
  averages_alone_ = averages_ && IsIdentity(bilinear_[0], area_[0].size()) && IsIdentity(bilinear_[1], area_[1].size());
}

void Preprocessor::Put(uint32_t y, RowSink& sink) { sink.Put(placement_.place[0] + y, row_.data()); }

// In float: an average of what is seen where asked for, normalization, bilinear.
void Preprocessor::Interpolate(const Picture& picture, RowSink& sink) {
  const size_t count = placement_.seen[1] * size_t{3};
  for (Line& line : lines_) {
    line.row.resize(count);
    line.y = UINT32_MAX;
  }
  if (averages_) {
    area_rows_.Start(picture, area_[1], area_[0], chroma_area_[1], chroma_area_[0]);
    averages_row_.resize(area_[1].size() * 3);
    if (means_.size() < averages_row_.size()) {
      means_.resize(averages_row_.size());
      stds_.resize(averages_row_.size());
      for (size_t i = 0; i < means_.size(); i++) {
        means_[i] = mean_[i % 3];
        stds_[i] = std_[i % 3];
      }
    }
    if (averages_alone_) {
      for (uint32_t y = 0; y < placement_.seen[0]; y++) {
        Normalize(area_rows_.Row(y), count, Seen());
        Put(y, sink);
      }
      return;
    }
  } else {
    rgb_rows_.Start(picture, layout_.region.x, layout_.region.x + layout_.region.width);
  }
  const BilinearAxis& down = bilinear_[0];
  for (uint32_t y = 0; y < placement_.seen[0]; y++) {
    // Each line is widened once, when the first row of the output needs it.
    if (lines_[1].y == down.low[y]) std::swap(lines_[0], lines_[1]);
    if (lines_[0].y != down.low[y]) Widen(down.low[y], &lines_[0]);
    const Line* below = &lines_[0];
    if (down.high[y] != down.low[y]) {
      if (lines_[1].y != down.high[y]) Widen(down.high[y], &lines_[1]);
      below = &lines_[1];
    }
    Blend(lines_[0].row.data(), below->row.data(), down.share[y], count, Seen());
    Put(y, sink);
  }
}

// Each step rounded to float32, as in Normalized.
void Preprocessor::Normalize(const float* values, size_t count, float* __restrict output) const {
  const auto low = static_cast<float>(preprocessing_.range[0]);
  const auto step = static_cast<float>((preprocessing_.range[1] - preprocessing_.range[0]) / 255);
  const float* mean = means_.data();
  const float* std = stds_.data();
  for (size_t i = 0; i < count; i++) output[i] = (low + values[i] * step - mean[i]) / std[i];
}

// A normalized row of the source, brought to the width that is seen.
void Preprocessor::Widen(uint32_t y, Line* line) {
  line->y = y;
  const BilinearAxis& across = bilinear_[1];
  float* output = line->row.data();
  if (averages_) {
    Normalize(area_rows_.Row(y), averages_row_.size(), averages_row_.data());
    for (size_t i = 0; i < across.size(); i++, output += 3) {
      const float* low = averages_row_.data() + across.low[i] * size_t{3};
      const float* high = averages_row_.data() + across.high[i] * size_t{3};
      const float share = across.share[i], rest = 1 - share;
      for (size_t c = 0; c < 3; c++) output[c] = rest * low[c] + share * high[c];
    }
    return;
  }
  const uint8_t* pixels = rgb_rows_.Row(layout_.region.y + y);
  for (size_t i = 0; i < across.size(); i++, output += 3) {
    const uint8_t* low = pixels + across.low[i] * size_t{3};
    const uint8_t* high = pixels + across.high[i] * size_t{3};
    const float share = across.share[i], rest = 1 - share;
    for (size_t c = 0; c < 3; c++) output[c] = rest * codes_[low[c] * 3 + c] + share * codes_[high[c] * 3 + c];
  }
}

// As PIL: across, rounded to bytes, then down, rounded to bytes.
void Preprocessor::Filter(const Picture& picture, RowSink& sink) {
  const FilterAxis& across = filter_[1];
  const FilterAxis& down = filter_[0];
  const size_t bytes = placement_.seen[1] * size_t{3};
  const size_t stride = bytes + kFilterSlack;
  // As many rows as the tallest filter reads go round, and behind them one for the result.
  narrowed_.resize((down.taps + 1) * stride);
  narrowed_rows_.resize(down.taps);
  uint8_t* result = narrowed_.data() + down.taps * stride;
  uint32_t first = across.first[0], end = 0;
  for (size_t i = 0; i < across.size(); i++) {
    first = std::min(first, across.first[i]);
    end = std::max(end, across.first[i] + across.count[i]);
  }
  rgb_rows_.Start(picture, first, end);
  uint32_t next = down.first[0];
  for (uint32_t y = 0; y < placement_.seen[0]; y++) {
    for (next = std::max(next, down.first[y]); next < down.first[y] + down.count[y]; next++) {
      FilterAcross(rgb_rows_.Row(next), first, across, narrowed_.data() + next % down.taps * stride);
    }
    for (uint32_t k = 0; k < down.count[y]; k++) {
      narrowed_rows_[k] = narrowed_.data() + (down.first[y] + k) % down.taps * stride;
    }
    FilterDown(narrowed_rows_.data(), down, y, bytes, result);
    float* output = Seen();
    for (size_t i = 0; i < bytes; i += 3) {
      for (size_t c = 0; c < 3; c++) output[i + c] = codes_[result[i + c] * 3 + c];
    }
    Put(y, sink);
  }
}

}  // namespace neonsense::image
