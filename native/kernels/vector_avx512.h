#pragma once

#include <immintrin.h>

#include "kernels/unrolled.h"

namespace neonsense::kernels {
namespace {

// Sixteen floats.
struct Vector {
  using Number = float;
  static constexpr int kLanes = 16;
  // Vectors that fit into registers.
  static constexpr int kRegisters = 32;

  __m512 value;

  static NEONSENSE_INLINE Vector Load(const float* from) { return {_mm512_loadu_ps(from)}; }
  // Load, and `from` goes on by `step`.
  static NEONSENSE_INLINE Vector LoadNext(const float*& from, size_t step) {
    const Vector vector = Load(from);
    from += step;
    return vector;
  }
  static NEONSENSE_INLINE Vector All(float number) { return {_mm512_set1_ps(number)}; }
  NEONSENSE_INLINE void Store(float* to) const { _mm512_storeu_ps(to, value); }
  // Only the first `count`, fewer than kLanes.
  NEONSENSE_INLINE void StoreFirst(float* to, int count) const {
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), value);
  }
};

NEONSENSE_INLINE Vector Add(Vector a, Vector b) { return {_mm512_add_ps(a.value, b.value)}; }
NEONSENSE_INLINE Vector Multiply(Vector a, Vector b) { return {_mm512_mul_ps(a.value, b.value)}; }
// a * b + c
NEONSENSE_INLINE Vector MultiplyAdd(Vector a, Vector b, Vector c) {
  return {_mm512_fmadd_ps(a.value, b.value, c.value)};
}
NEONSENSE_INLINE Vector Min(Vector a, Vector b) { return {_mm512_min_ps(a.value, b.value)}; }
NEONSENSE_INLINE Vector Max(Vector a, Vector b) { return {_mm512_max_ps(a.value, b.value)}; }

}  // namespace
}  // namespace neonsense::kernels
