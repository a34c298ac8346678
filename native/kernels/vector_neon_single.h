#pragma once

#include <arm_neon.h>

#include <cstddef>

#include "kernels/unrolled.h"

namespace neonsense::kernels {
namespace {

// Four floats in one register.
struct Vector {
  using Number = float;
  static constexpr int kLanes = 4;

  float32x4_t value;

  // Load, and `from` goes on by `step`.
  static NEONSENSE_INLINE Vector LoadNext(const float*& from, size_t step) {
    const Vector vector = {vld1q_f32(from)};
    from += step;
    return vector;
  }
  // Some that lie side by side, by one instruction.
  template <int kCount>
  static NEONSENSE_INLINE void LoadNext(const float*& from, size_t step, Vector* to) {
    if constexpr (kCount == 1) {
      to[0] = {vld1q_f32(from)};
    } else if constexpr (kCount == 2) {
      const float32x4x2_t all = vld1q_f32_x2(from);
      to[0] = {all.val[0]};
      to[1] = {all.val[1]};
    } else if constexpr (kCount == 4) {
      const float32x4x4_t all = vld1q_f32_x4(from);
      to[0] = {all.val[0]};
      to[1] = {all.val[1]};
      to[2] = {all.val[2]};
      to[3] = {all.val[3]};
    } else {
      const float32x4x3_t all = vld1q_f32_x3(from);
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
    Unroll<kCount / 4>([&](auto i) NEONSENSE_INLINE_BODY { to[i.value] = {vld1q_f32(from + i.value * 4)}; });
  }
  static NEONSENSE_INLINE Vector Repeat(const float* from) { return {vld1q_dup_f32(from)}; }
  static NEONSENSE_INLINE Vector All(float number) { return {vdupq_n_f32(number)}; }
  NEONSENSE_INLINE void Store(float* to) const { vst1q_f32(to, value); }
};

NEONSENSE_INLINE Vector Add(Vector a, Vector b) { return {vaddq_f32(a.value, b.value)}; }
NEONSENSE_INLINE Vector Multiply(Vector a, Vector b) { return {vmulq_f32(a.value, b.value)}; }
// a * b + c
NEONSENSE_INLINE Vector MultiplyAdd(Vector a, Vector b, Vector c) { return {vfmaq_f32(c.value, a.value, b.value)}; }
// a * one number of b + c
template <int kLane>
NEONSENSE_INLINE Vector MultiplyAddLane(Vector a, Vector b, Vector c) {
  return {vfmaq_laneq_f32(c.value, a.value, b.value, kLane)};
}
NEONSENSE_INLINE Vector Min(Vector a, Vector b) { return {vminq_f32(a.value, b.value)}; }
NEONSENSE_INLINE Vector Max(Vector a, Vector b) { return {vmaxq_f32(a.value, b.value)}; }

}  // namespace
}  // namespace neonsense::kernels
