#pragma once

#include <cstddef>

#include "kernels/depthwise.h"
#include "kernels/unrolled.h"

// Walks over the output in tiles. `Tiles` says what they are made of: its Arguments have a shape, kWidest is the widest
// tile, and RunTile<kKernel, kStride, kTile, kBeside> computes one; without kBeside no column of it lies beside the
// input.
namespace neonsense::kernels {
namespace {

// Where a tile lies.
struct Tile {
  size_t y;
  size_t x;
  // Rows of the kernel that lie on the input.
  size_t kernel_begin;
  size_t kernel_end;
};

// Runs a tile of `kTile` outputs from `done` on and gives how many are done then; where fewer are left, the tile
// reaches back over some that are done already.
template <typename Tiles, int kKernel, int kStride, int kTile>
NEONSENSE_INLINE size_t RunNext(const typename Tiles::Arguments& arguments, const DepthwisePart& part, Tile tile,
                                size_t done) {
  constexpr int kColumns = (kTile - 1) * kStride + kKernel;
  const DepthwiseShape& shape = arguments.shape;
  const size_t end = done + kTile < shape.out_width ? done + kTile : shape.out_width;
  tile.x = end - kTile;
  const bool is_inside = tile.x * kStride >= shape.left && tile.x * kStride - shape.left + kColumns <= shape.width;
  // Of tiles as wide as AVX-512's few touch neither side.
  if constexpr (kTile == Tiles::kWidest && kTile <= 7) {
    if (is_inside) {
      Tiles::template RunTile<kKernel, kStride, kTile, false>(arguments, part, tile);
      return end;
    }
  }
  Tiles::template RunTile<kKernel, kStride, kTile, true>(arguments, part, tile);
  return end;
}

template <typename Tiles, int kKernel, int kStride>
void RunRows(const typename Tiles::Arguments& arguments, const DepthwisePart& part) {
  const DepthwiseShape& shape = arguments.shape;
  const size_t width = shape.out_width;
  for (size_t y = part.row_begin; y < part.row_end; y++) {
    const size_t above = y * kStride < shape.top ? shape.top - y * kStride : 0;
    const size_t below = shape.top + shape.height - y * kStride;
    const Tile tile = {y, 0, above, below < kKernel ? below : kKernel};
    for (size_t done = 0; done < width;) {
      const size_t left = width - done;
      if (left > 7 && width >= Tiles::kWidest) {
        done = RunNext<Tiles, kKernel, kStride, Tiles::kWidest>(arguments, part, tile, done);
      } else if (left > 4 && width >= 7) {
        done = RunNext<Tiles, kKernel, kStride, 7>(arguments, part, tile, done);
      } else if (left > 1 && width >= 4) {
        done = RunNext<Tiles, kKernel, kStride, 4>(arguments, part, tile, done);
      } else {
        done = RunNext<Tiles, kKernel, kStride, 1>(arguments, part, tile, done);
      }
    }
  }
}

template <typename Tiles>
NEONSENSE_INLINE void RunInTiles(const typename Tiles::Arguments& arguments, const DepthwisePart& part) {
  const DepthwiseShape& shape = arguments.shape;
  if (shape.kernel == 3) {
    shape.stride == 1 ? RunRows<Tiles, 3, 1>(arguments, part) : RunRows<Tiles, 3, 2>(arguments, part);
  } else {
    shape.stride == 1 ? RunRows<Tiles, 5, 1>(arguments, part) : RunRows<Tiles, 5, 2>(arguments, part);
  }
}

}  // namespace
}  // namespace neonsense::kernels
