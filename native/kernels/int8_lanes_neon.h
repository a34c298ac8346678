#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "kernels/depthwise_int8.h"
#include "kernels/unrolled.h"

namespace neonsense::kernels {
namespace {

constexpr size_t kLanes = 8;
constexpr size_t kTapsTogether = 1;

// Codes of one pixel.
struct Column {
  int8x8_t codes;

  static NEONSENSE_INLINE Column LoadNext(const int8_t*& from, size_t step) {
    Column column;
    // One instruction. Compilers make a load and an addition of it.
    asm("ld1 {%0.8b}, [%1], %2"
        : "=w"(column.codes), "+r"(from)
        : "r"(step), "m"(*reinterpret_cast<const int8_t(*)[kLanes]>(from)));
    return column;
  }
};

// Two neighbouring pixels.
struct Pair {
  int8x8_t first;
  int8x8_t second;

  NEONSENSE_INLINE Pair(Column a, Column b) : first(a.codes), second(b.codes) {}
};

// Weights of two neighbouring taps.
struct Taps {
  int8x8_t first;
  int8x8_t second;

  template <bool kBoth>
  static NEONSENSE_INLINE Taps Load(const uint8_t* row, int pair) {
    const auto* from = reinterpret_cast<const int8_t*>(row) + pair * 2 * kLanes;
    if constexpr (kBoth) return {vld1_s8(from), vld1_s8(from + kLanes)};
    return {vld1_s8(from), vdup_n_s8(0)};
  }
};

struct Sums {
  int32x4_t low;
  int32x4_t high;

  static NEONSENSE_INLINE Sums Load(const uint8_t* from) {
    const auto* numbers = reinterpret_cast<const int32_t*>(from);
    return {vld1q_s32(numbers), vld1q_s32(numbers + 4)};
  }
  NEONSENSE_INLINE void Subtract(Sums other) {
    low = vsubq_s32(low, other.low);
    high = vsubq_s32(high, other.high);
  }
  NEONSENSE_INLINE void AddProducts(Pair pair, Taps taps) {
    Add(vmlal_s8(vmull_s8(pair.first, taps.first), pair.second, taps.second));
  }
  NEONSENSE_INLINE void AddFirstProducts(Pair pair, Taps taps) { Add(vmull_s8(pair.first, taps.first)); }

 private:
  NEONSENSE_INLINE void Add(int16x8_t products) {
    low = vaddw_s16(low, vget_low_s16(products));
    high = vaddw_high_s16(high, products);
  }
};

// From sums to codes.
class Rescaling {
 public:
  NEONSENSE_INLINE Rescaling(const DepthwiseInt8Arguments& arguments, const uint8_t* scales)
      : low_(vld1q_f32(reinterpret_cast<const float*>(scales))),
        high_(vld1q_f32(reinterpret_cast<const float*>(scales) + 4)),
        zero_point_(vdupq_n_s16(arguments.output_zero_point)),
        min_(vdup_n_s8(arguments.output_min)),
        max_(vdup_n_s8(arguments.output_max)) {}

  NEONSENSE_INLINE void Store(const Sums& sums, int8_t* to) const {
    const int32x4_t low = vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sums.low), low_));
    const int32x4_t high = vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sums.high), high_));
    const int16x8_t codes = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(low), high), zero_point_);
    vst1_s8(to, vmin_s8(vmax_s8(vqmovn_s16(codes), min_), max_));
  }

 private:
  float32x4_t low_;
  float32x4_t high_;
  int16x8_t zero_point_;
  int8x8_t min_;
  int8x8_t max_;
};

}  // namespace
}  // namespace neonsense::kernels
