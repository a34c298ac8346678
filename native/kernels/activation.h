#pragma once

namespace neonsense::kernels {

// What is applied to a sum of products.
struct Activation {
  enum class Kind {
    // Brought into [min, max].
    kClamp,
    // x * clamp(x / 6 + 1/2, 0, 1)
    kHardSwish,
  };
  Kind kind = Kind::kClamp;
  float min = 0;
  float max = 0;
};

}  // namespace neonsense::kernels
