#pragma once

#include "kernels/activation.h"
#include "kernels/unrolled.h"

// Included behind the Vector of a variant.
namespace neonsense::kernels {
namespace {

template <int kCount>
NEONSENSE_INLINE void Activate(const Activation& activation, Vector (&values)[kCount]) {
  if (activation.kind == Activation::Kind::kHardSwish) {
    const Vector sixth = Vector::All(1.0f / 6);
    const Vector zero = Vector::All(0);
    if constexpr (sizeof(Vector::Number) < sizeof(float)) {
      // A sixth is too coarse in half precision to end at -3 exactly.
      const Vector three = Vector::All(3);
      const Vector six = Vector::All(6);
      Unroll<kCount>([&](auto i) NEONSENSE_INLINE_BODY {
        const Vector gate = Min(six, Max(zero, Add(values[i.value], three)));
        values[i.value] = Multiply(Multiply(values[i.value], sixth), gate);
      });
    } else {
      const Vector half = Vector::All(0.5f);
      const Vector one = Vector::All(1);
      Unroll<kCount>([&](auto i) NEONSENSE_INLINE_BODY {
        const Vector gate = MultiplyAdd(values[i.value], sixth, half);
        values[i.value] = Multiply(values[i.value], Min(one, Max(zero, gate)));
      });
    }
  } else {
    const Vector min = Vector::All(activation.min);
    const Vector max = Vector::All(activation.max);
    // In this order NaN stays NaN on x86 too.
    Unroll<kCount>([&](auto i) NEONSENSE_INLINE_BODY { values[i.value] = Min(max, Max(min, values[i.value])); });
  }
}

}  // namespace
}  // namespace neonsense::kernels
