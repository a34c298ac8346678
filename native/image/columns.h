#pragma once

#include <cstddef>
#include <cstdint>

#include "image/axis.h"

// Sums down the columns of rows of bytes, and of those sums over each cell: what an average over small cells takes most
// of its time for.
namespace neonsense::image {

// Rows that are added to the columns at once, and rows whose sum fits 16 bits.
constexpr uint32_t kRowsAtOnce = 8;
constexpr uint32_t kMostRows = 256;

// columns[i] += the sum of the i-th bytes of `count` rows, at most kRowsAtOnce, or = where they are the first.
void AddRows(const uint8_t* const* rows, uint32_t count, size_t bytes, bool first, uint16_t* columns);

// The rows of a cell: its first and its last have a share, those between, of which `between` is the sum, are whole.
template <typename T>
struct CellRows {
  const uint8_t* first;
  const uint8_t* last;
  const uint16_t* between;
  T first_share, between_share, last_share;
};

// columns[i] = first_share * first[i] + between_share * between[i] + last_share * last[i]. In whole numbers the caller
// answers for it that no sum exceeds 16 bits.
void Weigh(const CellRows<uint16_t>& rows, size_t bytes, uint16_t* columns);
void Weigh(const CellRows<float>& rows, size_t bytes, float* columns);

// Cells that are at most this wide are summed in 32 bits, whole numbers and floats alike.
constexpr double kWidestCell = 64;
// What may be read past the end of the columns, and written past the end of the output.
constexpr size_t kColumnsSlack = 1;

// output[i * 3 + c] = `scale` times the sum of channel c over cell i, of pixels of `pitch` (3 or 4) columns. `row`
// begins `base` columns after the first pixel.
void SumPixels(const uint16_t* row, size_t base, size_t pitch, const AreaAxis& axis, float scale, float* output);
void SumPixels(const float* row, size_t base, size_t pitch, const AreaAxis& axis, float scale, float* output);

}  // namespace neonsense::image
