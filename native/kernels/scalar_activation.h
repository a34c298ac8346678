#pragma once

#include <algorithm>

#include "kernels/activation.h"

namespace neonsense::kernels {
namespace {

// The plain form of what variants do with vectors.
inline float Activate(const Activation& activation, float x) {
  if (activation.kind == Activation::Kind::kClamp) return std::min(std::max(x, activation.min), activation.max);
  return x * std::min(std::max(x * (1.0f / 6) + 0.5f, 0.0f), 1.0f);
}

}  // namespace
}  // namespace neonsense::kernels
