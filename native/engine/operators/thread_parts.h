#pragma once

#include <cstddef>

namespace neonsense::engine {

// How many of `rows` one part has. Neighbouring parts come to the same thread, so that in every operator it has the
// same share of the picture and finds what the one before has written in its own cache: fetching that from another
// core's takes longer than computing it. Where it comes out even each thread has two parts, so that one that is done
// early can take a part of another's.
inline size_t RowsAtOnce(size_t rows, size_t threads) {
  const size_t parts = threads == 1 ? 1 : rows % (2 * threads) == 0 ? 2 * threads : threads;
  return (rows + parts - 1) / parts;
}

}  // namespace neonsense::engine
