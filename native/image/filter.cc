#include "image/filter.h"

#include <algorithm>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace neonsense::image {
namespace {

constexpr int32_t kHalf = 1 << (FilterAxis::kWeightBits - 1);

uint8_t ToByte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> FilterAxis::kWeightBits, 0, 255)); }

}  // namespace

namespace portable {

void FilterAcross(const uint8_t* row, uint32_t base, const FilterAxis& axis, uint8_t* output) {
  for (size_t i = 0; i < axis.size(); i++, output += 3) {
    const uint8_t* pixel = row + (axis.first[i] - base) * size_t{3};
    const int32_t* weights = axis.weights.data() + i * axis.taps;
    int32_t red = kHalf, green = kHalf, blue = kHalf;
    for (uint32_t k = 0; k < axis.count[i]; k++, pixel += 3) {
      red += weights[k] * pixel[0];
      green += weights[k] * pixel[1];
      blue += weights[k] * pixel[2];
    }
    output[0] = ToByte(red);
    output[1] = ToByte(green);
    output[2] = ToByte(blue);
  }
}

void FilterDown(const uint8_t* const* rows, const FilterAxis& axis, size_t i, size_t bytes, uint8_t* output) {
  const int32_t* weights = axis.weights.data() + i * axis.taps;
  // A few at a time, whose sums stay in registers.
  constexpr size_t kAtOnce = 16;
  for (size_t start = 0; start < bytes; start += kAtOnce) {
    const size_t count = std::min(kAtOnce, bytes - start);
    int32_t sums[kAtOnce];
    std::fill(sums, sums + kAtOnce, kHalf);
    for (uint32_t k = 0; k < axis.count[i]; k++) {
      const uint8_t* row = rows[k] + start;
      for (size_t j = 0; j < kAtOnce; j++) sums[j] += weights[k] * row[j];
    }
    for (size_t j = 0; j < count; j++) output[start + j] = ToByte(sums[j]);
  }
}

}  // namespace portable

#if defined(__SSE2__)

// There is no 32-bit product of vectors in SSE2, but a sum of two 16-bit ones. A weight is high * 2^11 + low, and both
// parts are summed apart, two taps at a time.
namespace {

constexpr int kLowBits = 11;

// low and high parts of the weights of two taps, for each of four channels.
struct WeightPair {
  __m128i high, low;
};

WeightPair PairOf(const int32_t* weights) {
  const auto pack = [](int32_t first, int32_t second) {
    return static_cast<int32_t>(static_cast<uint32_t>(first & 0xffff) | static_cast<uint32_t>(second) << 16);
  };
  constexpr int32_t kLowMask = (1 << kLowBits) - 1;
  return {_mm_set1_epi32(pack(weights[0] >> kLowBits, weights[1] >> kLowBits)),
          _mm_set1_epi32(pack(weights[0] & kLowMask, weights[1] & kLowMask))};
}

// Four sums as bytes in the lowest 32 bits, from their parts.
__m128i Together(__m128i high, __m128i low) {
  const __m128i sum = _mm_add_epi32(_mm_add_epi32(_mm_slli_epi32(high, kLowBits), low), _mm_set1_epi32(kHalf));
  return _mm_srai_epi32(sum, FilterAxis::kWeightBits);
}

}  // namespace

void FilterAcross(const uint8_t* row, uint32_t base, const FilterAxis& axis, uint8_t* output) {
  const __m128i zero = _mm_setzero_si128();
  for (size_t i = 0; i < axis.size(); i++, output += 3) {
    const uint8_t* pixel = row + (axis.first[i] - base) * size_t{3};
    const int32_t* weights = axis.weights.data() + i * axis.taps;
    __m128i high = zero, low = zero;
    for (uint32_t k = 0; k < axis.count[i]; k += 2, pixel += 6) {
      const WeightPair pair = PairOf(weights + k);
      const __m128i two = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(pixel));
      // r0 r1 g0 g1 b0 b1 .., in 16 bits each.
      const __m128i mixed = _mm_unpacklo_epi8(_mm_unpacklo_epi8(two, _mm_srli_si128(two, 3)), zero);
      high = _mm_add_epi32(high, _mm_madd_epi16(mixed, pair.high));
      low = _mm_add_epi32(low, _mm_madd_epi16(mixed, pair.low));
    }
    const __m128i sums = Together(high, low);
    const __m128i packed = _mm_packus_epi16(_mm_packs_epi32(sums, zero), zero);
    const auto rgb = static_cast<uint32_t>(_mm_cvtsi128_si32(packed));
    output[0] = static_cast<uint8_t>(rgb);
    output[1] = static_cast<uint8_t>(rgb >> 8);
    output[2] = static_cast<uint8_t>(rgb >> 16);
  }
}

void FilterDown(const uint8_t* const* rows, const FilterAxis& axis, size_t i, size_t bytes, uint8_t* output) {
  const int32_t* weights = axis.weights.data() + i * axis.taps;
  const uint32_t count = axis.count[i];
  const __m128i zero = _mm_setzero_si128();
  for (size_t start = 0; start < bytes; start += 16) {
    __m128i high[4] = {zero, zero, zero, zero};
    __m128i low[4] = {zero, zero, zero, zero};
    for (uint32_t k = 0; k < count; k += 2) {
      const WeightPair pair = PairOf(weights + k);
      const auto load = [start](const uint8_t* row) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + start));
      };
      const __m128i a = load(rows[k]);
      const __m128i b = k + 1 < count ? load(rows[k + 1]) : zero;
      const __m128i front = _mm_unpacklo_epi8(a, b);
      const __m128i back = _mm_unpackhi_epi8(a, b);
      const __m128i mixed[4] = {_mm_unpacklo_epi8(front, zero), _mm_unpackhi_epi8(front, zero),
                                _mm_unpacklo_epi8(back, zero), _mm_unpackhi_epi8(back, zero)};
      for (int j = 0; j < 4; j++) {
        high[j] = _mm_add_epi32(high[j], _mm_madd_epi16(mixed[j], pair.high));
        low[j] = _mm_add_epi32(low[j], _mm_madd_epi16(mixed[j], pair.low));
      }
    }
    const __m128i front = _mm_packs_epi32(Together(high[0], low[0]), Together(high[1], low[1]));
    const __m128i back = _mm_packs_epi32(Together(high[2], low[2]), Together(high[3], low[3]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(output + start), _mm_packus_epi16(front, back));
  }
}

#else

void FilterAcross(const uint8_t* row, uint32_t base, const FilterAxis& axis, uint8_t* output) {
  portable::FilterAcross(row, base, axis, output);
}

void FilterDown(const uint8_t* const* rows, const FilterAxis& axis, size_t i, size_t bytes, uint8_t* output) {
  portable::FilterDown(rows, axis, i, bytes, output);
}

#endif

}  // namespace neonsense::image
