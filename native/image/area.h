#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "image/axis.h"
#include "image/picture.h"
#include "image/sampled.h"

namespace neonsense::image {

// Averages of a picture's pixels over cells, as RGB.
//
// What is linear is averaged before it is converted: luma and chroma planes apart, 5- and 6-bit colours as they are.
// The result is what converting each pixel in real numbers and averaging that gives, but for the clamp: colours that
// lie beyond 0 and 255 are clamped once, after the average, and not each pixel by itself. Alpha is not linear: pixels
// that are not opaque are laid over white first, in whole steps.
class AreaRows {
 public:
  // Where the cells lie on each axis of the picture, of its luma or of all of its colours.
  void Start(const Picture& picture, const AreaAxis& across, const AreaAxis& down, const AreaAxis& chroma_across,
             const AreaAxis& chroma_down);
  // [cells, 3], 0 to 255, of a row of cells. Rows are asked for from the top. Valid until the next call.
  const float* Row(uint32_t y);

 private:
  // Samples of one or two channels among the bytes of a plane's row, as a sum over each cell.
  struct Channels {
    using Sum8 = void (*)(const uint8_t* row, size_t base, const AreaAxis& axis, double* sums);
    using Sum16 = void (*)(const uint16_t* row, size_t base, const AreaAxis& axis, double* sums);
    using SumFloat = void (*)(const float* row, size_t base, const AreaAxis& axis, double* sums);

    const AreaAxis* across = nullptr;
    size_t pitch = 0;
    size_t offset = 0;  // of the first channel
    size_t count = 0;
    Sum8 sum8 = nullptr;
    Sum16 sum16 = nullptr;
    SumFloat sum_float = nullptr;
    std::vector<double> sums;   // of the current row of cells
    std::vector<double> carry;  // of one row of samples
  };

  // How bytes are to be changed before they are summed.
  enum class Unpack { kNone, kAlpha, kRgb565, kYuv };

  // How rows are summed. Small cells share most of their rows and columns with others, so that shares are laid on once
  // down each column: in 16-bit parts of a row where the sum of a cell fits, else in floats. In large ones next to all
  // is whole, which is summed first.
  enum class Way { kParts, kFloats, kWhole };

  struct Plane {
    size_t index = 0;
    const AreaAxis* down = nullptr;
    Unpack unpack = Unpack::kNone;
    Way way = Way::kWhole;
    std::array<Channels, 2> channels;
    size_t groups = 0;
    // Bytes of a row that are summed, in the unpacked form.
    size_t begin = 0, end = 0;
    uint32_t carried = 0;  // row of samples in carry, plus one

    // By which a sum down a cell is larger than a sample.
    double rows_of_cell() const { return way == Way::kParts ? static_cast<double>(down->cell_parts) : down->cell; }
  };

  void AddPlane(size_t index, const AreaAxis& down, Unpack unpack);
  // `pitch` bytes from one sample to the next.
  void AddChannels(const AreaAxis& across, size_t pitch, size_t offset, size_t count);
  void SumCells(Plane& plane, uint32_t y);
  void SumSmallCells(Plane& plane, uint32_t y);
  void AddRow(Plane& plane, uint32_t row, double share);
  void AddWhole(Plane& plane, uint32_t begin, uint32_t end);
  void Accumulate(const Plane& plane, uint32_t begin, uint32_t end, bool flatten);
  const uint8_t* Unpacked(const Plane& plane, uint32_t row, size_t slot, bool flatten);
  // The same, of a row that cells share.
  const uint8_t* EdgeRow(const Plane& plane, uint32_t row, size_t slot);
  // The same, laid over white where it is not opaque.
  const uint8_t* Opaque(const Plane& plane, uint32_t row, size_t slot);

  const Picture* picture_ = nullptr;
  std::array<Plane, kMostPlanes> planes_;
  size_t plane_count_ = 0;
  std::vector<uint16_t> columns_;  // sums down the columns
  std::vector<uint16_t> parts_;    // the same of small cells, with their shares
  std::vector<float> floats_;
  std::vector<uint8_t> unpacked_;  // a few rows
  size_t unpacked_stride_ = 0;
  SampledRows sampled_rows_;
  // Which rows, plus one, the last two of them hold.
  std::array<uint32_t, 2> edge_rows_{};
  std::vector<float> cells_;
};

}  // namespace neonsense::image
