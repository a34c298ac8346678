#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/unrolled.h"
#include "kernels/vector_avx2.h"

namespace neonsense::kernels {
namespace {

// Sums of products of bytes, four at a time.
struct Dot {
  static constexpr int kTogether = 4;
  // Codes as they are multiplied: this CPU takes one factor without sign, so they are moved.
  using Code = uint8_t;
  static constexpr int32_t kMoved = 128;

  __m256i sums;

  static NEONSENSE_INLINE void Prepare(const int8_t* from, size_t count, Code* to) {
    const __m256i sign = _mm256_set1_epi8(static_cast<char>(0x80));
    size_t i = 0;
    for (; i + 32 <= count; i += 32) {
      const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), _mm256_xor_si256(codes, sign));
    }
    for (; i < count; i++) to[i] = static_cast<Code>(from[i] ^ 0x80);
  }

  // factor * the numbers at `from`
  static NEONSENSE_INLINE Dot Product(const uint8_t* from, int32_t factor) {
    const __m256i numbers = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return {_mm256_mullo_epi32(numbers, _mm256_set1_epi32(factor))};
  }
  struct Weights {
    __m256i bytes;
    static NEONSENSE_INLINE Weights Load(const uint8_t* from) {
      return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))};
    }
  };
  struct Codes {
    __m256i bytes;
    static NEONSENSE_INLINE Codes Repeat(const Code* from) {
      return {_mm256_set1_epi32(*reinterpret_cast<const int32_t __attribute__((may_alias, aligned(1)))*>(from))};
    }
  };
  NEONSENSE_INLINE void Add(Codes codes, Weights weights) {
    // As an intrinsic GCC 12 copies the sums before and after each.
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(codes.bytes), "x"(weights.bytes));
  }
  NEONSENSE_INLINE Vector ToFloats() const { return {_mm256_cvtepi32_ps(sums)}; }
};

}  // namespace
}  // namespace neonsense::kernels
