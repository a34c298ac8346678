#pragma once

#include <cstddef>

namespace neonsense::kernels {

// Whether `zeros` before the input and no more than kernel / 2 behind it give `out` positions of a window along one
// axis.
inline bool FitsWindow(size_t kernel, size_t stride, size_t length, size_t out, size_t zeros) {
  const size_t most = kernel / 2;
  if (length == 0 || out == 0 || zeros > most) return false;
  // The middle of each window lies on the input.
  return (out - 1) * stride + kernel <= zeros + length + most;
}

}  // namespace neonsense::kernels
