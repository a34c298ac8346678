#include "image/columns.h"

#include <cstring>
#include <type_traits>

namespace neonsense::image {
namespace {

template <int kRows>
void AddRowsOf(const uint8_t* const* rows, size_t bytes, bool first, uint16_t* __restrict columns) {
  const uint8_t* r[kRows];
  for (int k = 0; k < kRows; k++) r[k] = rows[k];
  if (first) {
    for (size_t i = 0; i < bytes; i++) {
      uint16_t sum = r[0][i];
      for (int k = 1; k < kRows; k++) sum = static_cast<uint16_t>(sum + r[k][i]);
      columns[i] = sum;
    }
  } else {
    for (size_t i = 0; i < bytes; i++) {
      uint16_t sum = columns[i];
      for (int k = 0; k < kRows; k++) sum = static_cast<uint16_t>(sum + r[k][i]);
      columns[i] = sum;
    }
  }
}

using AddRowsFunction = void (*)(const uint8_t* const*, size_t, bool, uint16_t*);
constexpr AddRowsFunction kAddRows[kRowsAtOnce] = {AddRowsOf<1>, AddRowsOf<2>, AddRowsOf<3>, AddRowsOf<4>,
                                                   AddRowsOf<5>, AddRowsOf<6>, AddRowsOf<7>, AddRowsOf<8>};

template <typename T>
void WeighRows(const CellRows<T>& rows, size_t bytes, T* __restrict columns) {
  const auto [first, last, between, first_share, between_share, last_share] = rows;
  for (size_t i = 0; i < bytes; i++) {
    columns[i] = static_cast<T>(first_share * first[i] + between_share * between[i] + last_share * last[i]);
  }
}

// One pixel at a time, its channels side by side; both kinds of CPU have vectors of four.
typedef float Floats __attribute__((vector_size(16)));
typedef int32_t Integers __attribute__((vector_size(16)));
typedef uint16_t Columns16 __attribute__((vector_size(8)));

Integers Load(const uint16_t* at) {
  Columns16 columns;
  std::memcpy(&columns, at, sizeof(columns));
  return __builtin_convertvector(columns, Integers);
}

Floats Load(const float* at) {
  Floats floats;
  std::memcpy(&floats, at, sizeof(floats));
  return floats;
}

Floats ToFloats(Integers integers) { return __builtin_convertvector(integers, Floats); }
Floats ToFloats(Floats floats) { return floats; }

template <int kPitch, typename T>
void SumPixelsOf(const T* row, size_t base, const AreaAxis& axis, float scale, float* output) {
  for (size_t i = 0; i < axis.size(); i++, output += 3) {
    const T* at = row + (size_t{axis.first[i]} * kPitch - base);
    const T* end = row + (size_t{axis.last[i]} * kPitch - base);
    Floats sum = ToFloats(Load(at)) * static_cast<float>(axis.first_share[i]) +
                 ToFloats(Load(end)) * static_cast<float>(axis.last_share[i]);
    at += kPitch;
    if (at < end) {
      auto whole = Load(at);
      for (at += kPitch; at < end; at += kPitch) whole += Load(at);
      sum += ToFloats(whole);
    }
    sum *= scale;
    std::memcpy(output, &sum, sizeof(sum));
  }
}

template <typename T>
void SumPixelsOf(const T* row, size_t base, size_t pitch, const AreaAxis& axis, float scale, float* output) {
  if (pitch == 3) {
    SumPixelsOf<3>(row, base, axis, scale, output);
  } else {
    SumPixelsOf<4>(row, base, axis, scale, output);
  }
}

}  // namespace

void AddRows(const uint8_t* const* rows, uint32_t count, size_t bytes, bool first, uint16_t* columns) {
  kAddRows[count - 1](rows, bytes, first, columns);
}

void Weigh(const CellRows<uint16_t>& rows, size_t bytes, uint16_t* columns) { WeighRows(rows, bytes, columns); }

void Weigh(const CellRows<float>& rows, size_t bytes, float* columns) { WeighRows(rows, bytes, columns); }

void SumPixels(const uint16_t* row, size_t base, size_t pitch, const AreaAxis& axis, float scale, float* output) {
  SumPixelsOf(row, base, pitch, axis, scale, output);
}

void SumPixels(const float* row, size_t base, size_t pitch, const AreaAxis& axis, float scale, float* output) {
  SumPixelsOf(row, base, pitch, axis, scale, output);
}

}  // namespace neonsense::image
