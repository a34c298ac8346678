#pragma once

#include <cstddef>

#include "kernels/depthwise.h"
#include "kernels/depthwise_rows.h"
#include "kernels/unrolled.h"
#include "kernels/vector_activation.h"

// The loops of all vector variants. Included behind the Vector of one of them, so that each file has its own.
//
// Some outputs of a row lie side by side in registers: a tile. Each column of the input is then fetched once for all of
// them, and neither a copy with zeros around it nor a table of pointers is needed.
namespace neonsense::kernels {
namespace {

// Stands for columns beside the input.
alignas(64) constexpr Vector::Number kZeros[Vector::kLanes] = {};

// `Number` is the Vector's. It tells the functions of one file from those of another.
template <typename Number>
struct DepthwiseTiles {
  using Arguments = DepthwiseArguments<Number>;
  static constexpr int kWidest = Vector::kRegisters > 16 ? 14 : 7;

  // `kBeside`: the first and last columns may lie beside the input.
  template <int kKernel, int kStride, int kTile, bool kBeside>
  static void RunTile(const Arguments& arguments, const DepthwisePart& part, const Tile& tile) {
    constexpr int kMiddle = kKernel / 2;
    constexpr int kColumns = (kTile - 1) * kStride + kKernel;
    // Columns from here on may lie to the right of the input, those below kMiddle to the left.
    constexpr int kRight = kColumns - kMiddle;
    constexpr size_t kGroup = (1 + kKernel * kKernel) * Vector::kLanes;
    const DepthwiseShape& shape = arguments.shape;
    const size_t pixel = shape.channels;
    const size_t row = shape.width * pixel;
    const size_t middle = tile.x * kStride + kMiddle - shape.left;
    const size_t first_row = tile.y * kStride + tile.kernel_begin - shape.top;
    // Column kMiddle, which is always on the input.
    const Number* input = arguments.input + (first_row * shape.width + middle) * pixel;
    Number* output = arguments.output + (tile.y * shape.out_width + tile.x) * pixel;

    const Number* group = arguments.weights + part.channel_begin / Vector::kLanes * kGroup;
    for (size_t c = part.channel_begin; c < part.channel_end; c += Vector::kLanes, group += kGroup) {
      // kMiddle columns on the left, then kMiddle on the right.
      const Number* beside[2 * kMiddle];
      size_t beside_row[2 * kMiddle];
      if constexpr (kBeside) {
        Unroll<kMiddle>([&](auto i) NEONSENSE_INLINE_BODY {
          const bool has_left = middle + i.value >= kMiddle;
          beside[i.value] = has_left ? input + c - pixel * (kMiddle - i.value) : kZeros;
          beside_row[i.value] = has_left ? row : 0;
          const bool has_right = middle + (kRight + i.value - kMiddle) < shape.width;
          beside[kMiddle + i.value] = has_right ? input + c + pixel * (kRight + i.value - kMiddle) : kZeros;
          beside_row[kMiddle + i.value] = has_right ? row : 0;
        });
      }

      Vector sums[kTile];
      const Vector bias = Vector::Load(group);
      Unroll<kTile>([&](auto t) NEONSENSE_INLINE_BODY { sums[t.value] = bias; });
      const Number* weights = group + (1 + tile.kernel_begin * kKernel) * Vector::kLanes;
      const Number* row_start = kBeside ? input + c : input + c - pixel * kMiddle;
      for (size_t k = tile.kernel_begin; k < tile.kernel_end; k++) {
        Vector taps[kKernel];
        Unroll<kKernel>(
            [&](auto i) NEONSENSE_INLINE_BODY { taps[i.value] = Vector::Load(weights + i.value * Vector::kLanes); });
        const Number* next = row_start;
        const auto load = [&](auto column) NEONSENSE_INLINE_BODY {
          if constexpr (kBeside && column.value < kMiddle) {
            return Vector::LoadNext(beside[column.value], beside_row[column.value]);
          } else if constexpr (kBeside && column.value >= kRight) {
            constexpr int kIndex = column.value - kRight + kMiddle;
            return Vector::LoadNext(beside[kIndex], beside_row[kIndex]);
          } else {
            return Vector::LoadNext(next, pixel);
          }
        };
        // Each column is fetched while the one before it is at work.
        Vector value = load(Index<0>{});
        Unroll<kColumns>([&](auto column) NEONSENSE_INLINE_BODY {
          const Vector current = value;
          if constexpr (column.value + 1 < kColumns) value = load(Index<column.value + 1>{});
          Unroll<kTile>([&](auto t) NEONSENSE_INLINE_BODY {
            constexpr int kTap = column.value - t.value * kStride;
            if constexpr (kTap >= 0 && kTap < kKernel) sums[t.value] = MultiplyAdd(current, taps[kTap], sums[t.value]);
          });
        });
        weights += kKernel * Vector::kLanes;
        row_start += row;
      }
      Activate(arguments.activation, sums);

      Number* to = output + c;
      if (shape.channels - c >= Vector::kLanes) {
        Unroll<kTile>([&](auto t) NEONSENSE_INLINE_BODY { sums[t.value].Store(to + t.value * pixel); });
      } else {
        const int rest = static_cast<int>(shape.channels - c);
        Unroll<kTile>([&](auto t) NEONSENSE_INLINE_BODY { sums[t.value].StoreFirst(to + t.value * pixel, rest); });
      }
    }
  }
};

NEONSENSE_INLINE void RunDepthwise(const DepthwiseArguments<Vector::Number>& arguments, const DepthwisePart& part) {
  RunInTiles<DepthwiseTiles<Vector::Number>>(arguments, part);
}

}  // namespace
}  // namespace neonsense::kernels
