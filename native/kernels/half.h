#pragma once

#include <cstdint>

namespace neonsense::kernels {

// A number of half precision by its bits: not every compiler has a type for it.
struct Half {
  uint16_t bits;
};

}  // namespace neonsense::kernels
