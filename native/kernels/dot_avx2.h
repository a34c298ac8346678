#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/unrolled.h"
#include "kernels/vector_avx2.h"

namespace neonsense::kernels {
namespace {

// Sums of products of bytes, two at a time, in 16 bits: exact, which multiplying bytes is not on this CPU.
struct Dot {
  static constexpr int kTogether = 2;
  // Codes as they are multiplied.
  using Code = int16_t;
  static constexpr int32_t kMoved = 0;

  __m256i sums;

  static NEONSENSE_INLINE void Prepare(const int8_t* from, size_t count, Code* to) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
      const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), _mm256_cvtepi8_epi16(codes));
    }
    for (; i < count; i++) to[i] = static_cast<Code>(from[i] + kMoved);
  }

  // factor * the numbers at `from`
  static NEONSENSE_INLINE Dot Product(const uint8_t* from, int32_t factor) {
    const __m256i numbers = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return {_mm256_mullo_epi32(numbers, _mm256_set1_epi32(factor))};
  }
  struct Weights {
    __m256i words;
    static NEONSENSE_INLINE Weights Load(const uint8_t* from) {
      return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))};
    }
  };
  struct Codes {
    __m256i words;
    static NEONSENSE_INLINE Codes Repeat(const Code* from) {
      return {_mm256_set1_epi32(*reinterpret_cast<const int32_t __attribute__((may_alias, aligned(1)))*>(from))};
    }
  };
  NEONSENSE_INLINE void Add(Codes codes, Weights weights) {
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(codes.words, weights.words));
  }
  NEONSENSE_INLINE Vector ToFloats() const { return {_mm256_cvtepi32_ps(sums)}; }
};

}  // namespace
}  // namespace neonsense::kernels
