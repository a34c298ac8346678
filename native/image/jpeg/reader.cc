#include "image/jpeg/reader.h"

#include <algorithm>
#include <utility>

#include "image/sampled.h"

namespace neonsense::image::jpeg {
namespace {

constexpr uint32_t kBlock = 8;
constexpr uint8_t kEnd = 0xd9;
constexpr uint8_t kFirstRestart = 0xd0;
constexpr uint32_t kRestarts = 8;

uint32_t DividedUp(uint32_t value, uint32_t by) { return (value + by - 1) / by; }

}  // namespace

void Reader::Open(Source& source) {
  bytes_ = std::make_unique<ByteReader>(source);
  ReadHeader(*bytes_, &header_);
  turn_ = Turn::Of(header_.orientation);
}

Picture Reader::Read(uint32_t factor, size_t most) {
  const Layout layout = Prepare(factor, most);
  ReadScan();
  return Picture::View(samples_.get(), capacity_, layout);
}

Layout Reader::Prepare(uint32_t factor, size_t most) {
  const Component& first = header_.component[0];
  mcus_across_ = DividedUp(header_.width, kBlock * first.across);
  mcus_down_ = DividedUp(header_.height, kBlock * first.down);
  const uint32_t whole_width = mcus_across_ * kBlock * first.across;
  const uint32_t whole_height = mcus_down_ * kBlock * first.down;

  Layout layout;
  layout.format = header_.components == 1 ? PixelFormat::kSampledGray : PixelFormat::kSampledYuv;
  layout.range = Range::kFull;
  layout.width = turn_.transposed ? whole_height : whole_width;
  layout.height = turn_.transposed ? whole_width : whole_height;
  // Of blocks that stick out at the end, the rest is looked at; turned, they stick out at the beginning.
  layout.region = {turn_.flip_x ? layout.width - width() : 0, turn_.flip_y ? layout.height - height() : 0, width(),
                   height()};
  std::array<BlockSides, kMostComponents> sides;
  uint64_t size = 0;
  for (size_t i = 0; i < header_.components; i++) {
    const Component& component = header_.component[i];
    // A component of fewer samples is shrunk less, so that all come near to each other.
    sides[i] = {std::min(kBlock, kBlock / factor * (first.across / component.across)),
                std::min(kBlock, kBlock / factor * (first.down / component.down))};
    if (turn_.transposed) std::swap(sides[i].width, sides[i].height);
    const uint32_t blocks_across = turn_.transposed ? mcus_down_ * component.down : mcus_across_ * component.across;
    const uint32_t blocks_down = turn_.transposed ? mcus_across_ * component.across : mcus_down_ * component.down;
    const uint32_t stride = blocks_across * sides[i].width, rows = blocks_down * sides[i].height;
    layout.strides[i] = stride;
    layout.offsets[i] = size;
    layout.samples[i] = {layout.height / rows, layout.width / stride};
    size += uint64_t{stride} * rows;
  }
  if (size > std::min(most, kMostBytes)) throw NotTaken();
  if (size > capacity_) {
    capacity_ = 0;
    samples_.reset();
    // Rows of the last plane may be read past their end.
    samples_.reset(new uint8_t[size + SampledRows::kSlackBytes]);
    capacity_ = size;
  }
  for (size_t i = 0; i < 4; i++) {
    if (header_.dc[i]) dc_[i].Make(*header_.dc[i], HuffmanTable::Kind::kDc);
    if (header_.ac[i]) ac_[i].Make(*header_.ac[i], HuffmanTable::Kind::kAc);
  }
  for (size_t i = 0; i < header_.components; i++) {
    const Component& component = header_.component[i];
    Plane& plane = planes_[i];
    plane.blocks.Make(*header_.quantizers[component.quantizer], dc_[component.dc], ac_[component.ac], sides[i], turn_);
    plane.stride = layout.strides[i];
    const auto block = static_cast<ptrdiff_t>(sides[i].width);
    const auto line = static_cast<ptrdiff_t>(plane.stride * sides[i].height);
    plane.across = turn_.flip_x ? -block : block;
    plane.down = turn_.flip_y ? -line : line;
    plane.origin = samples_.get() + layout.offsets[i];
    if (turn_.flip_x) plane.origin += plane.stride - sides[i].width;
    if (turn_.flip_y) plane.origin += line * (layout.height / layout.samples[i].down / sides[i].height - 1);
    if (turn_.transposed) std::swap(plane.across, plane.down);
  }
  return layout;
}

void Reader::ReadScan() {
  scan_.Start(*bytes_);
  Bits bits = scan_.Begin();
  uint32_t left = header_.restart;
  uint32_t restarts = 0;
  for (uint32_t y = 0; y < mcus_down_; y++) {
    for (uint32_t x = 0; x < mcus_across_; x++) {
      if (header_.restart > 0) {
        if (left == 0) {
          if (scan_.Finish(bits) != kFirstRestart + restarts++ % kRestarts) throw NotTaken();
          scan_.Start(*bytes_);
          bits = scan_.Begin();
          for (Plane& plane : planes_) plane.blocks.Restart();
          left = header_.restart;
        }
        left--;
      }
      scan_.Ensure(bits);
      ReadMcu(x, y, bits);
    }
  }
  if (scan_.Finish(bits) != kEnd) throw NotTaken();
}

void Reader::ReadMcu(uint32_t x, uint32_t y, Bits& bits) {
  for (size_t i = 0; i < header_.components; i++) {
    const Component& component = header_.component[i];
    Plane& plane = planes_[i];
    for (uint32_t down = 0; down < component.down; down++) {
      uint8_t* output = plane.origin + static_cast<ptrdiff_t>(y * component.down + down) * plane.down +
                        static_cast<ptrdiff_t>(x * component.across) * plane.across;
      for (uint32_t across = 0; across < component.across; across++, output += plane.across) {
        if (!plane.blocks.Read(bits, output, plane.stride)) throw NotTaken();
      }
    }
  }
}

}  // namespace neonsense::image::jpeg
