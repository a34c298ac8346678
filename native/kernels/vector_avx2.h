#pragma once

#include <immintrin.h>

#include "kernels/unrolled.h"

namespace neonsense::kernels {
namespace {

// Eight floats.
struct Vector {
  using Number = float;
  static constexpr int kLanes = 8;
  // Vectors that fit into registers.
  static constexpr int kRegisters = 16;

  __m256 value;

  static NEONSENSE_INLINE Vector Load(const float* from) { return {_mm256_loadu_ps(from)}; }
  // Load, and `from` goes on by `step`.
  static NEONSENSE_INLINE Vector LoadNext(const float*& from, size_t step) {
    const Vector vector = Load(from);
    from += step;
    return vector;
  }
  static NEONSENSE_INLINE Vector All(float number) { return {_mm256_set1_ps(number)}; }
  NEONSENSE_INLINE void Store(float* to) const { _mm256_storeu_ps(to, value); }
  // Only the first `count`, fewer than kLanes.
  NEONSENSE_INLINE void StoreFirst(float* to, int count) const {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_ps(to, _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lane), value);
  }
};

NEONSENSE_INLINE Vector Add(Vector a, Vector b) { return {_mm256_add_ps(a.value, b.value)}; }
NEONSENSE_INLINE Vector Multiply(Vector a, Vector b) { return {_mm256_mul_ps(a.value, b.value)}; }
// a * b + c
NEONSENSE_INLINE Vector MultiplyAdd(Vector a, Vector b, Vector c) {
  return {_mm256_fmadd_ps(a.value, b.value, c.value)};
}
NEONSENSE_INLINE Vector Min(Vector a, Vector b) { return {_mm256_min_ps(a.value, b.value)}; }
NEONSENSE_INLINE Vector Max(Vector a, Vector b) { return {_mm256_max_ps(a.value, b.value)}; }

}  // namespace
}  // namespace neonsense::kernels
