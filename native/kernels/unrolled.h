#pragma once

#include <utility>

// Loops that are gone before the compiler gives out registers: GCC keeps arrays of vectors in memory where it unrolls a
// loop later. For files compiled for more than the baseline: nothing here leaves code that another file could share.
#define NEONSENSE_INLINE inline __attribute__((always_inline))

namespace neonsense::kernels {
namespace {

template <int kIndex>
struct Index {
  static constexpr int value = kIndex;
};

template <typename Body, int... kIndices>
NEONSENSE_INLINE void UnrollIndices(Body&& body, std::integer_sequence<int, kIndices...>) {
  (body(Index<kIndices>{}), ...);
}

// Calls body(Index<0>{}) to body(Index<kCount - 1>{}). The body must be marked NEONSENSE_INLINE_BODY.
template <int kCount, typename Body>
NEONSENSE_INLINE void Unroll(Body&& body) {
  UnrollIndices(body, std::make_integer_sequence<int, kCount>{});
}

}  // namespace
}  // namespace neonsense::kernels

#define NEONSENSE_INLINE_BODY __attribute__((always_inline))
