#pragma once

#include <emmintrin.h>

#include "kernels/unrolled.h"

namespace neonsense::kernels {
namespace {

// Four floats.
struct Vector {
  using Number = float;
  static constexpr int kLanes = 4;
  // Vectors that fit into registers.
  static constexpr int kRegisters = 16;

  __m128 value;

  static NEONSENSE_INLINE Vector Load(const float* from) { return {_mm_loadu_ps(from)}; }
  // Load, and `from` goes on by `step`.
  static NEONSENSE_INLINE Vector LoadNext(const float*& from, size_t step) {
    const Vector vector = Load(from);
    from += step;
    return vector;
  }
  static NEONSENSE_INLINE Vector All(float number) { return {_mm_set1_ps(number)}; }
  NEONSENSE_INLINE void Store(float* to) const { _mm_storeu_ps(to, value); }
  // Only the first `count`, fewer than kLanes.
  NEONSENSE_INLINE void StoreFirst(float* to, int count) const {
    if (count > 0) _mm_store_ss(to, value);
    if (count > 1) _mm_store_ss(to + 1, _mm_shuffle_ps(value, value, _MM_SHUFFLE(1, 1, 1, 1)));
    if (count > 2) _mm_store_ss(to + 2, _mm_shuffle_ps(value, value, _MM_SHUFFLE(2, 2, 2, 2)));
  }
};

NEONSENSE_INLINE Vector Add(Vector a, Vector b) { return {_mm_add_ps(a.value, b.value)}; }
NEONSENSE_INLINE Vector Multiply(Vector a, Vector b) { return {_mm_mul_ps(a.value, b.value)}; }
// a * b + c
NEONSENSE_INLINE Vector MultiplyAdd(Vector a, Vector b, Vector c) { return Add(Multiply(a, b), c); }
NEONSENSE_INLINE Vector Min(Vector a, Vector b) { return {_mm_min_ps(a.value, b.value)}; }
NEONSENSE_INLINE Vector Max(Vector a, Vector b) { return {_mm_max_ps(a.value, b.value)}; }

}  // namespace
}  // namespace neonsense::kernels
