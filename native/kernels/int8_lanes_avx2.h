#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/depthwise_int8.h"
#include "kernels/unrolled.h"

namespace neonsense::kernels {
namespace {

constexpr size_t kLanes = 8;
constexpr size_t kTapsTogether = 2;

// Codes of one pixel.
struct Column {
  __m128i codes;

  static NEONSENSE_INLINE Column LoadNext(const int8_t*& from, size_t step) {
    const Column column = {_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))};
    from += step;
    return column;
  }
};

// Two neighbouring pixels, in 16 bits, side by side.
struct Pair {
  __m256i codes;

  NEONSENSE_INLINE Pair(Column a, Column b) : codes(_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(a.codes, b.codes))) {}
};

// Weights of two neighbouring taps, as a Pair has its codes; zeros for the second one where there is none.
struct Taps {
  __m256i weights;

  template <bool kBoth>
  static NEONSENSE_INLINE Taps Load(const uint8_t* row, int pair) {
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row) + pair))};
  }
};

struct Sums {
  __m256i numbers;

  static NEONSENSE_INLINE Sums Load(const uint8_t* from) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))};
  }
  NEONSENSE_INLINE void Subtract(Sums other) { numbers = _mm256_sub_epi32(numbers, other.numbers); }
  NEONSENSE_INLINE void AddProducts(Pair pair, Taps taps) {
    numbers = _mm256_add_epi32(numbers, _mm256_madd_epi16(pair.codes, taps.weights));
  }
  NEONSENSE_INLINE void AddFirstProducts(Pair pair, Taps taps) { AddProducts(pair, taps); }
};

// From sums to codes.
class Rescaling {
 public:
  NEONSENSE_INLINE Rescaling(const DepthwiseInt8Arguments& arguments, const uint8_t* scales)
      : scales_(_mm256_loadu_ps(reinterpret_cast<const float*>(scales))),
        most_(_mm256_set1_ps(static_cast<float>(arguments.output_max - arguments.output_zero_point))),
        zero_point_(_mm_set1_epi16(arguments.output_zero_point)),
        min_(_mm_set1_epi8(arguments.output_min)) {}

  NEONSENSE_INLINE void Store(const Sums& sums, int8_t* to) const {
    // What is too large for an integer would become the smallest one, so it is cut off before.
    const __m256 scaled = _mm256_min_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sums.numbers), scales_), most_);
    const __m256i whole = _mm256_cvtps_epi32(scaled);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    const __m128i moved = _mm_adds_epi16(words, zero_point_);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_max_epi8(_mm_packs_epi16(moved, moved), min_));
  }

 private:
  __m256 scales_;
  __m256 most_;
  __m128i zero_point_;
  __m128i min_;
};

}  // namespace
}  // namespace neonsense::kernels
