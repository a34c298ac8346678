#include "image/area.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "image/colour.h"
#include "image/columns.h"

namespace neonsense::image {
namespace {

// Columns whose sums fit 32 bits.
constexpr uint32_t kMostColumns = 65'536;

// Adds each cell's samples to its sums. Whole samples are added as integers, which is exact and fast; only the two at
// the ends have a share. Sample x of channel c is at x * kPitch + c * kStep - base.
template <int kPitch, int kStep, int kCount, typename T>
void SumCells(const T* row, size_t base, const AreaAxis& axis, double* __restrict sums) {
  const size_t cells = axis.size();
  const uint32_t* first = axis.first.data();
  const uint32_t* last = axis.last.data();
  for (size_t i = 0; i < cells; i++, sums += kCount) {
    const T* begin = row + (size_t{first[i]} * kPitch - base);
    const T* end = row + (size_t{last[i]} * kPitch - base);
    for (int c = 0; c < kCount; c++) {
      sums[c] += axis.first_share[i] * begin[c * kStep] + axis.last_share[i] * end[c * kStep];
    }
    for (const T* at = begin + kPitch; at < end;) {
      const T* stop = std::min(end, at + size_t{kMostColumns} * kPitch);
      std::conditional_t<std::is_floating_point_v<T>, double, uint32_t> whole[kCount] = {};
      for (; at < stop; at += kPitch) {
        for (int c = 0; c < kCount; c++) whole[c] += at[c * kStep];
      }
      for (int c = 0; c < kCount; c++) sums[c] += whole[c];
    }
  }
}

bool IsOpaque(const uint8_t* row, size_t pixels) {
  uint32_t all = UINT32_MAX;
  for (size_t i = 0; i < pixels; i++) {
    uint32_t pixel;
    std::memcpy(&pixel, row + i * 4, sizeof(pixel));
    all &= pixel;
  }
  uint8_t channels[4];
  std::memcpy(channels, &all, sizeof(all));
  return channels[3] == 255;
}

bool IsOpaque(const uint16_t* columns, size_t pixels, uint32_t rows) {
  bool opaque = true;
  for (size_t i = 0; i < pixels; i++) opaque &= columns[i * 4 + 3] == rows * 255;
  return opaque;
}

float Clamped(double value) { return std::min(std::max(static_cast<float>(value), 0.0f), 255.0f); }

bool IsRgb(PixelFormat format) {
  if (format == PixelFormat::kSampledYuv) return true;
  return format != PixelFormat::kGray && format != PixelFormat::kSampledGray && PlaneCount(format) == 1 &&
         format != PixelFormat::kYuyv422;
}

}  // namespace

void AreaRows::Start(const Picture& picture, const AreaAxis& across, const AreaAxis& down,
                     const AreaAxis& chroma_across, const AreaAxis& chroma_down) {
  picture_ = &picture;
  plane_count_ = 0;
  switch (picture.layout().format) {
    case PixelFormat::kRgb24:
    case PixelFormat::kBgr24:
      AddPlane(0, down, Unpack::kNone);
      AddChannels(across, 3, 0, 3);
      break;
    case PixelFormat::kRgba:
    case PixelFormat::kBgra:
      AddPlane(0, down, Unpack::kAlpha);
      AddChannels(across, 4, 0, 3);
      break;
    case PixelFormat::kGray:
    case PixelFormat::kSampledGray:
      AddPlane(0, down, Unpack::kNone);
      AddChannels(across, 1, 0, 1);
      break;
    case PixelFormat::kSampledYuv:
      AddPlane(0, down, Unpack::kYuv);
      AddChannels(across, 4, 0, 3);
      sampled_rows_.Start(picture, static_cast<uint32_t>(planes_[0].begin / 4),
                          static_cast<uint32_t>(planes_[0].end / 4));
      edge_rows_ = {};
      break;
    case PixelFormat::kYuv420p:
      for (size_t plane = 0; plane < 3; plane++) {
        AddPlane(plane, plane == 0 ? down : chroma_down, Unpack::kNone);
        AddChannels(plane == 0 ? across : chroma_across, 1, 0, 1);
      }
      break;
    case PixelFormat::kNv12:
      AddPlane(0, down, Unpack::kNone);
      AddChannels(across, 1, 0, 1);
      AddPlane(1, chroma_down, Unpack::kNone);
      AddChannels(chroma_across, 2, 0, 2);
      break;
    case PixelFormat::kYuyv422:
      AddPlane(0, down, Unpack::kNone);
      AddChannels(across, 2, 0, 1);
      AddChannels(chroma_across, 4, 1, 2);
      break;
    case PixelFormat::kRgb565le:
      AddPlane(0, down, Unpack::kRgb565);
      AddChannels(across, 3, 0, 3);
      break;
  }
  size_t bytes = 0;
  for (size_t i = 0; i < plane_count_; i++) bytes = std::max(bytes, planes_[i].end - planes_[i].begin);
  columns_.resize(bytes + kColumnsSlack);
  parts_.resize(bytes + kColumnsSlack);
  floats_.resize(bytes + kColumnsSlack);
  // Beside the rows that are added at once, a cell's first and last.
  unpacked_stride_ = bytes + SampledRows::kSlackBytes;
  unpacked_.resize(planes_[0].unpack == Unpack::kNone ? 0 : unpacked_stride_ * (kRowsAtOnce + 2));
  cells_.resize(across.size() * 3 + kColumnsSlack);
}

void AreaRows::AddPlane(size_t index, const AreaAxis& down, Unpack unpack) {
  Plane& plane = planes_[plane_count_++];
  plane.index = index;
  plane.down = &down;
  plane.unpack = unpack;
  plane.groups = 0;
  plane.carried = 0;
}

void AreaRows::AddChannels(const AreaAxis& across, size_t pitch, size_t offset, size_t count) {
  Plane& plane = planes_[plane_count_ - 1];
  Channels& channels = plane.channels[plane.groups++];
  channels.across = &across;
  channels.offset = offset;
  channels.count = count;
  channels.pitch = pitch;
  const auto use = [&channels](Channels::Sum8 sum8, Channels::Sum16 sum16, Channels::SumFloat sum_float) {
    channels.sum8 = sum8;
    channels.sum16 = sum16;
    channels.sum_float = sum_float;
  };
  if (pitch == 1) {
    use(image::SumCells<1, 0, 1, uint8_t>, image::SumCells<1, 0, 1, uint16_t>, image::SumCells<1, 0, 1, float>);
  } else if (pitch == 2 && count == 1) {
    use(image::SumCells<2, 0, 1, uint8_t>, image::SumCells<2, 0, 1, uint16_t>, image::SumCells<2, 0, 1, float>);
  } else if (pitch == 2) {
    use(image::SumCells<2, 1, 2, uint8_t>, image::SumCells<2, 1, 2, uint16_t>, image::SumCells<2, 1, 2, float>);
  } else if (pitch == 3) {
    use(image::SumCells<3, 1, 3, uint8_t>, image::SumCells<3, 1, 3, uint16_t>, image::SumCells<3, 1, 3, float>);
  } else if (count == 3) {
    use(image::SumCells<4, 1, 3, uint8_t>, image::SumCells<4, 1, 3, uint16_t>, image::SumCells<4, 1, 3, float>);
  } else {
    use(image::SumCells<4, 2, 2, uint8_t>, image::SumCells<4, 2, 2, uint16_t>, image::SumCells<4, 2, 2, float>);
  }
  channels.sums.resize(across.size() * count);
  channels.carry.resize(across.size() * count);
  const size_t begin = across.first.front() * pitch;
  const size_t end = (across.last.back() + size_t{1}) * pitch;
  plane.begin = plane.groups == 1 ? begin : std::min(plane.begin, begin);
  plane.end = plane.groups == 1 ? end : std::max(plane.end, end);
  const AreaAxis& down = *plane.down;
  const bool small = across.cell <= kWidestCell && down.cell <= kMostRows;
  plane.way = !small ? Way::kWhole : down.cell_parts * 255 <= UINT16_MAX ? Way::kParts : Way::kFloats;
  // The last pixel of an odd row brings no bytes beyond its pair's.
  if (plane.unpack != Unpack::kRgb565 && plane.unpack != Unpack::kYuv) {
    plane.end = std::min(plane.end, RowBytes(picture_->layout(), plane.index));
  }
}

const float* AreaRows::Row(uint32_t y) {
  for (size_t i = 0; i < plane_count_; i++) SumCells(planes_[i], y);
  const auto sums = [this](size_t plane, size_t group) { return planes_[plane].channels[group].sums.data(); };
  const auto area = [this](size_t plane, size_t group) {
    return planes_[plane].rows_of_cell() * planes_[plane].channels[group].across->cell;
  };
  const size_t cells = cells_.size() / 3;
  float* output = cells_.data();
  const PixelFormat format = picture_->layout().format;
  if (IsRgb(format) && planes_[0].way == Way::kWhole) {
    for (size_t i = 0; i < cells * 3; i++) output[i] = static_cast<float>(sums(0, 0)[i] / area(0, 0));
  }
  switch (format) {
    case PixelFormat::kRgb24:
    case PixelFormat::kRgba:
    case PixelFormat::kSampledYuv:
      break;
    case PixelFormat::kBgr24:
    case PixelFormat::kBgra:
      for (size_t i = 0; i < cells * 3; i += 3) std::swap(output[i], output[i + 2]);
      break;
    case PixelFormat::kGray:
    case PixelFormat::kSampledGray:
      for (size_t i = 0; i < cells; i++) {
        output[i * 3] = output[i * 3 + 1] = output[i * 3 + 2] = static_cast<float>(sums(0, 0)[i] / area(0, 0));
      }
      break;
    case PixelFormat::kRgb565le:
      for (size_t i = 0; i < cells * 3; i++) output[i] *= static_cast<float>(i % 3 == 1 ? kSixBits : kFiveBits);
      break;
    case PixelFormat::kYuv420p:
    case PixelFormat::kNv12:
    case PixelFormat::kYuyv422: {
      const bool planar = format == PixelFormat::kYuv420p;
      const size_t group = format == PixelFormat::kYuyv422 ? 1 : 0;
      const size_t plane = 1 - group;
      const double* luma = sums(0, 0);
      const double* u = sums(plane, group);
      const double* v = planar ? sums(2, 0) : u + 1;
      const size_t step = planar ? 1 : 2;
      const YuvMatrix matrix = MatrixOf(picture_->layout().matrix, picture_->layout().range);
      const double luma_scale = matrix.luma / area(0, 0);
      const double luma_offset = matrix.luma * matrix.offset;
      const double chroma_scale = 1 / area(plane, group);
      for (size_t i = 0; i < cells; i++) {
        const double grey = luma[i] * luma_scale - luma_offset;
        const double cu = u[i * step] * chroma_scale - 128;
        const double cv = v[i * step] * chroma_scale - 128;
        output[i * 3] = Clamped(grey + matrix.red_v * cv);
        output[i * 3 + 1] = Clamped(grey + matrix.green_u * cu + matrix.green_v * cv);
        output[i * 3 + 2] = Clamped(grey + matrix.blue_u * cu);
      }
      break;
    }
  }
  return output;
}

void AreaRows::SumCells(Plane& plane, uint32_t y) {
  if (plane.way != Way::kWhole) {
    SumSmallCells(plane, y);
    return;
  }
  for (size_t g = 0; g < plane.groups; g++) {
    std::fill(plane.channels[g].sums.begin(), plane.channels[g].sums.end(), 0.0);
  }
  const AreaAxis& down = *plane.down;
  uint32_t begin = down.first[y];
  uint32_t end = down.last[y] + 1;
  const double first_share = down.first_share[y];
  const double last_share = down.last_share[y];
  if (first_share < 1) AddRow(plane, begin++, first_share);
  const bool has_part = last_share > 0 && last_share < 1;
  if (has_part) end--;
  if (end == begin + 1) {
    AddRow(plane, begin, 1);
  } else if (end > begin) {
    AddWhole(plane, begin, end);
  }
  if (has_part) AddRow(plane, end, last_share);
}

void AreaRows::SumSmallCells(Plane& plane, uint32_t y) {
  const AreaAxis& down = *plane.down;
  const uint32_t first = down.first[y], last = down.last[y];
  const size_t bytes = plane.end - plane.begin;
  // A row of which both cells have a part is unpacked once.
  const size_t first_slot = kRowsAtOnce + (edge_rows_[1] == first + 1 ? 1 : 0);
  const uint8_t* first_row = EdgeRow(plane, first, first_slot);
  const uint8_t* last_row = last == first ? first_row : EdgeRow(plane, last, 2 * kRowsAtOnce + 1 - first_slot);
  if (last < first + 2) std::fill(columns_.begin(), columns_.end(), uint16_t{0});
  for (uint32_t row = first + 1; row < last; row += kRowsAtOnce) {
    const uint32_t count = std::min(kRowsAtOnce, last - row);
    const uint8_t* rows[kRowsAtOnce];
    for (uint32_t k = 0; k < count; k++) rows[k] = Opaque(plane, row + k, k);
    AddRows(rows, count, bytes, row == first + 1, columns_.data());
  }
  const bool in_parts = plane.way == Way::kParts;
  if (in_parts) {
    const auto parts = [&down](double share) {
      return static_cast<uint16_t>(std::lround(share * static_cast<double>(down.parts)));
    };
    Weigh({first_row, last_row, columns_.data(), parts(down.first_share[y]), parts(1), parts(down.last_share[y])},
          bytes, parts_.data());
  } else {
    Weigh({first_row, last_row, columns_.data(), static_cast<float>(down.first_share[y]), 1.0f,
           static_cast<float>(down.last_share[y])},
          bytes, floats_.data());
  }
  for (size_t g = 0; g < plane.groups; g++) {
    Channels& channels = plane.channels[g];
    const AreaAxis& across = *channels.across;
    const size_t base = plane.begin - channels.offset;
    if (channels.count == 3) {
      const auto scale = static_cast<float>(1 / (plane.rows_of_cell() * across.cell));
      if (in_parts) {
        SumPixels(parts_.data(), base, channels.pitch, across, scale, cells_.data());
      } else {
        SumPixels(floats_.data(), base, channels.pitch, across, scale, cells_.data());
      }
      continue;
    }
    std::fill(channels.sums.begin(), channels.sums.end(), 0.0);
    if (in_parts) {
      channels.sum16(parts_.data(), base, across, channels.sums.data());
    } else {
      channels.sum_float(floats_.data(), base, across, channels.sums.data());
    }
  }
}

// A row that two rows of cells share is read once.
void AreaRows::AddRow(Plane& plane, uint32_t row, double share) {
  const bool carried = plane.carried == row + 1;
  const uint8_t* bytes = nullptr;
  if (!carried) {
    bytes = Unpacked(plane, row, 0, /*flatten=*/false);
    if (plane.unpack == Unpack::kAlpha && !IsOpaque(bytes, (plane.end - plane.begin) / 4)) {
      bytes = Unpacked(plane, row, 0, /*flatten=*/true);
    }
    plane.carried = row + 1;
  }
  for (size_t g = 0; g < plane.groups; g++) {
    Channels& channels = plane.channels[g];
    if (!carried) {
      std::fill(channels.carry.begin(), channels.carry.end(), 0.0);
      channels.sum8(bytes, plane.begin - channels.offset, *channels.across, channels.carry.data());
    }
    for (size_t i = 0; i < channels.sums.size(); i++) channels.sums[i] += share * channels.carry[i];
  }
}

void AreaRows::AddWhole(Plane& plane, uint32_t begin, uint32_t end) {
  for (uint32_t row = begin; row < end; row += kMostRows) {
    const uint32_t stop = std::min(end, row + kMostRows);
    Accumulate(plane, row, stop, /*flatten=*/false);
    if (plane.unpack == Unpack::kAlpha && !IsOpaque(columns_.data(), (plane.end - plane.begin) / 4, stop - row)) {
      Accumulate(plane, row, stop, /*flatten=*/true);
    }
    for (size_t g = 0; g < plane.groups; g++) {
      Channels& channels = plane.channels[g];
      channels.sum16(columns_.data(), plane.begin - channels.offset, *channels.across, channels.sums.data());
    }
  }
}

void AreaRows::Accumulate(const Plane& plane, uint32_t begin, uint32_t end, bool flatten) {
  for (uint32_t row = begin; row < end; row += kRowsAtOnce) {
    const uint32_t count = std::min(kRowsAtOnce, end - row);
    const uint8_t* rows[kRowsAtOnce];
    for (uint32_t k = 0; k < count; k++) rows[k] = Unpacked(plane, row + k, k, flatten);
    AddRows(rows, count, plane.end - plane.begin, row == begin, columns_.data());
  }
}

// The bytes of a row that are summed. `slot` says where to keep them where they can't be used as they lie.
const uint8_t* AreaRows::Unpacked(const Plane& plane, uint32_t row, size_t slot, bool flatten) {
  const size_t length = plane.end - plane.begin;
  const uint8_t* bytes = picture_->Row(plane.index, row);
  if (plane.unpack == Unpack::kRgb565) {
    uint8_t* unpacked = unpacked_.data() + slot * unpacked_stride_;
    UnpackRgb565(bytes + plane.begin / 3 * 2, length / 3, unpacked);
    return unpacked;
  }
  if (plane.unpack == Unpack::kYuv) {
    uint8_t* unpacked = unpacked_.data() + slot * unpacked_stride_;
    sampled_rows_.Convert(row, unpacked);
    return unpacked;
  }
  if (!flatten) return bytes + plane.begin;
  uint8_t* unpacked = unpacked_.data() + slot * unpacked_stride_;
  LayOverWhite(bytes + plane.begin, length / 4, unpacked);
  return unpacked;
}

const uint8_t* AreaRows::EdgeRow(const Plane& plane, uint32_t row, size_t slot) {
  if (plane.unpack != Unpack::kYuv) return Opaque(plane, row, slot);
  uint32_t& held = edge_rows_[slot - kRowsAtOnce];
  if (held == row + 1) return unpacked_.data() + slot * unpacked_stride_;
  held = row + 1;
  return Unpacked(plane, row, slot, /*flatten=*/false);
}

const uint8_t* AreaRows::Opaque(const Plane& plane, uint32_t row, size_t slot) {
  const uint8_t* bytes = Unpacked(plane, row, slot, /*flatten=*/false);
  if (plane.unpack != Unpack::kAlpha || IsOpaque(bytes, (plane.end - plane.begin) / 4)) return bytes;
  return Unpacked(plane, row, slot, /*flatten=*/true);
}

}  // namespace neonsense::image
