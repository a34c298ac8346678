#pragma once

#include <cstddef>
#include <cstdint>

#include "image/axis.h"

namespace neonsense::image {

// PIL's antialiased resize of 8-bit pixels, an axis at a time, bit for bit.

// One row. `row` is [first of the axis.., 3] from column `base` on and may be read RgbRows::kSlackBytes past its end;
// `output` is [axis.size(), 3].
void FilterAcross(const uint8_t* row, uint32_t base, const FilterAxis& axis, uint8_t* output);

// Position `i` of an axis: the weighted sum of count[i] rows of `bytes` each. `rows` points to as many, and rows of the
// output and of the input may be written and read kFilterSlack bytes past their end.
constexpr size_t kFilterSlack = 16;
void FilterDown(const uint8_t* const* rows, const FilterAxis& axis, size_t i, size_t bytes, uint8_t* output);

// The same without instructions of one kind of CPU: what the others are held to.
namespace portable {
void FilterAcross(const uint8_t* row, uint32_t base, const FilterAxis& axis, uint8_t* output);
void FilterDown(const uint8_t* const* rows, const FilterAxis& axis, size_t i, size_t bytes, uint8_t* output);
}  // namespace portable

}  // namespace neonsense::image
