#pragma once

#include <arm_neon.h>

#include "kernels/unrolled.h"

namespace neonsense::kernels {
namespace {

// Eight floats: one instruction fetches two registers and moves on to the next pixel.
struct Vector {
  using Number = float;
  static constexpr int kLanes = 8;
  // Vectors that fit into registers.
  static constexpr int kRegisters = 16;

  float32x4_t low;
  float32x4_t high;

  static NEONSENSE_INLINE Vector Load(const float* from) { return {vld1q_f32(from), vld1q_f32(from + 4)}; }
  // Load, and `from` goes on by `step`.
  static NEONSENSE_INLINE Vector LoadNext(const float*& from, size_t step) {
    const float32x4x2_t both = vld1q_f32_x2(from);
    from += step;
    // Otherwise compilers find each place from the first one, with an instruction more.
    asm("" : "+r"(from));
    return {both.val[0], both.val[1]};
  }
  static NEONSENSE_INLINE Vector All(float number) { return {vdupq_n_f32(number), vdupq_n_f32(number)}; }
  NEONSENSE_INLINE void Store(float* to) const {
    vst1q_f32(to, low);
    vst1q_f32(to + 4, high);
  }
  // Only the first `count`, fewer than kLanes.
  NEONSENSE_INLINE void StoreFirst(float* to, int count) const {
    float32x4_t rest = low;
    if (count >= 4) {
      vst1q_f32(to, low);
      to += 4;
      count -= 4;
      rest = high;
    }
    if (count > 0) vst1q_lane_f32(to, rest, 0);
    if (count > 1) vst1q_lane_f32(to + 1, rest, 1);
    if (count > 2) vst1q_lane_f32(to + 2, rest, 2);
  }
};

NEONSENSE_INLINE Vector Add(Vector a, Vector b) { return {vaddq_f32(a.low, b.low), vaddq_f32(a.high, b.high)}; }
NEONSENSE_INLINE Vector Multiply(Vector a, Vector b) { return {vmulq_f32(a.low, b.low), vmulq_f32(a.high, b.high)}; }
// a * b + c
NEONSENSE_INLINE Vector MultiplyAdd(Vector a, Vector b, Vector c) {
  return {vfmaq_f32(c.low, a.low, b.low), vfmaq_f32(c.high, a.high, b.high)};
}
NEONSENSE_INLINE Vector Min(Vector a, Vector b) { return {vminq_f32(a.low, b.low), vminq_f32(a.high, b.high)}; }
NEONSENSE_INLINE Vector Max(Vector a, Vector b) { return {vmaxq_f32(a.low, b.low), vmaxq_f32(a.high, b.high)}; }

}  // namespace
}  // namespace neonsense::kernels
