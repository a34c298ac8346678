#pragma once

#include <arm_neon.h>

#include <cstddef>

#include "kernels/half.h"
#include "kernels/unrolled.h"

namespace neonsense::kernels {
namespace {

// Eight halves.
struct Vector {
  using Number = Half;
  static constexpr int kLanes = 8;
  // Vectors that fit into registers.
  static constexpr int kRegisters = 32;

  float16x8_t value;

  static NEONSENSE_INLINE Vector Load(const Half* from) {
    return {vld1q_f16(reinterpret_cast<const float16_t*>(from))};
  }
  // Load, and `from` goes on by `step`.
  static NEONSENSE_INLINE Vector LoadNext(const Half*& from, size_t step) {
    Vector vector;
    // One instruction. Compilers make a load and an addition of it.
    asm("ld1 {%0.8h}, [%1], %2"
        : "=w"(vector.value), "+r"(from)
        : "r"(step * sizeof(Half)), "m"(*reinterpret_cast<const Half(*)[kLanes]>(from)));
    return vector;
  }
  // Some that lie side by side, by one instruction.
  template <int kCount>
  static NEONSENSE_INLINE void LoadNext(const Half*& from, size_t step, Vector* to) {
    const float16_t* numbers = reinterpret_cast<const float16_t*>(from);
    if constexpr (kCount == 1) {
      to[0] = {vld1q_f16(numbers)};
    } else if constexpr (kCount == 2) {
      const float16x8x2_t all = vld1q_f16_x2(numbers);
      to[0] = {all.val[0]};
      to[1] = {all.val[1]};
    } else {
      const float16x8x3_t all = vld1q_f16_x3(numbers);
      to[0] = {all.val[0]};
      to[1] = {all.val[1]};
      to[2] = {all.val[2]};
    }
    from += step;
    // Otherwise compilers load once and copy, or find each place from the first one.
    asm("" : "+r"(from));
  }
  // kCount floats, a multiple of four.
  template <int kCount>
  static NEONSENSE_INLINE void LoadFloats(const float* from, Vector* to) {
    Unroll<(kCount + kLanes - 1) / kLanes>([&](auto i) NEONSENSE_INLINE_BODY {
      const float16x4_t low = vcvt_f16_f32(vld1q_f32(from + i.value * kLanes));
      if constexpr ((i.value + 1) * kLanes <= kCount) {
        to[i.value] = {vcvt_high_f16_f32(low, vld1q_f32(from + i.value * kLanes + 4))};
      } else {
        to[i.value] = {vcombine_f16(low, low)};
      }
    });
  }
  static NEONSENSE_INLINE Vector Repeat(const Half* from) {
    return {vld1q_dup_f16(reinterpret_cast<const float16_t*>(from))};
  }
  static NEONSENSE_INLINE Vector All(float number) { return {vdupq_n_f16(static_cast<float16_t>(number))}; }
  NEONSENSE_INLINE void Store(Half* to) const { vst1q_f16(reinterpret_cast<float16_t*>(to), value); }
  // Only the first `count`, fewer than kLanes.
  NEONSENSE_INLINE void StoreFirst(Half* to, int count) const {
    Half all[kLanes];
    Store(all);
    for (int i = 0; i < count; i++) to[i] = all[i];
  }
};

NEONSENSE_INLINE Vector Add(Vector a, Vector b) { return {vaddq_f16(a.value, b.value)}; }
NEONSENSE_INLINE Vector Multiply(Vector a, Vector b) { return {vmulq_f16(a.value, b.value)}; }
// a * b + c
NEONSENSE_INLINE Vector MultiplyAdd(Vector a, Vector b, Vector c) { return {vfmaq_f16(c.value, a.value, b.value)}; }
// a * one number of b + c
template <int kLane>
NEONSENSE_INLINE Vector MultiplyAddLane(Vector a, Vector b, Vector c) {
  return {vfmaq_laneq_f16(c.value, a.value, b.value, kLane)};
}
NEONSENSE_INLINE Vector Min(Vector a, Vector b) { return {vminq_f16(a.value, b.value)}; }
NEONSENSE_INLINE Vector Max(Vector a, Vector b) { return {vmaxq_f16(a.value, b.value)}; }

}  // namespace
}  // namespace neonsense::kernels
