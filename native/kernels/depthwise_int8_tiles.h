#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/depthwise_int8.h"
#include "kernels/depthwise_rows.h"
#include "kernels/unrolled.h"

// The loops of all int8 variants. Included behind the types of one of them, so that each file has its own: Sums,
// Column, Taps, Rescaling. As in float, a column is fetched once for all outputs of a tile; two neighbouring ones are
// multiplied at once.
namespace neonsense::kernels {
namespace {

struct Int8Tiles {
  using Arguments = DepthwiseInt8Arguments;
  static constexpr int kWidest = 7;

  template <int kKernel, int kStride, int kTile, bool kBeside>
  static void RunTile(const DepthwiseInt8Arguments& arguments, const DepthwisePart& part, const Tile& tile) {
    constexpr int kMiddle = kKernel / 2;
    constexpr int kColumns = (kTile - 1) * kStride + kKernel;
    // Columns from here on may lie to the right of the input, those below kMiddle to the left.
    constexpr int kRight = kColumns - kMiddle;
    constexpr int kPairs = (kKernel + 1) / 2;
    constexpr size_t kGroup = DepthwiseInt8GroupBytes(kKernel, kLanes, kTapsTogether);
    constexpr size_t kNumbers = kLanes * 4;
    constexpr size_t kTapRow = kLanes * ((kKernel + kTapsTogether - 1) / kTapsTogether) * kTapsTogether;
    const DepthwiseShape& shape = arguments.shape;
    const size_t pixel = shape.channels;
    const size_t row = shape.width * pixel;
    const size_t middle = tile.x * kStride + kMiddle - shape.left;
    const size_t first_row = tile.y * kStride + tile.kernel_begin - shape.top;
    // Column kMiddle, which is always on the input.
    const int8_t* input = arguments.input + (first_row * shape.width + middle) * pixel;
    int8_t* output = arguments.output + (tile.y * shape.out_width + tile.x) * pixel;
    // Stands for columns beside the input.
    int8_t zeros[kLanes];
    std::memset(zeros, arguments.input_zero_point, kLanes);

    const uint8_t* group = arguments.weights + part.channel_begin / kLanes * kGroup;
    for (size_t c = part.channel_begin; c < part.channel_end; c += kLanes, group += kGroup) {
      // kMiddle columns on the left, then kMiddle on the right.
      const int8_t* beside[2 * kMiddle];
      size_t beside_row[2 * kMiddle];
      if constexpr (kBeside) {
        Unroll<kMiddle>([&](auto i) NEONSENSE_INLINE_BODY {
          const bool has_left = middle + i.value >= kMiddle;
          beside[i.value] = has_left ? input + c - pixel * (kMiddle - i.value) : zeros;
          beside_row[i.value] = has_left ? row : 0;
          const bool has_right = middle + (kRight + i.value - kMiddle) < shape.width;
          beside[kMiddle + i.value] = has_right ? input + c + pixel * (kRight + i.value - kMiddle) : zeros;
          beside_row[kMiddle + i.value] = has_right ? row : 0;
        });
      }

      Sums start = Sums::Load(group);
      for (size_t k = tile.kernel_begin; k < tile.kernel_end; k++)
        start.Subtract(Sums::Load(group + (1 + k) * kNumbers));
      Sums sums[kTile];
      Unroll<kTile>([&](auto t) NEONSENSE_INLINE_BODY { sums[t.value] = start; });
      const uint8_t* weights = group + (2 + kKernel) * kNumbers + tile.kernel_begin * kTapRow;
      const int8_t* row_start = kBeside ? input + c : input + c - pixel * kMiddle;
      for (size_t k = tile.kernel_begin; k < tile.kernel_end; k++) {
        Taps taps[kPairs];
        Unroll<kPairs>([&](auto i) NEONSENSE_INLINE_BODY {
          taps[i.value] = Taps::Load<2 * i.value + 1 < kKernel>(weights, i.value);
        });
        const int8_t* next = row_start;
        const auto load = [&](auto column) NEONSENSE_INLINE_BODY {
          if constexpr (kBeside && column.value < kMiddle) {
            return Column::LoadNext(beside[column.value], beside_row[column.value]);
          } else if constexpr (kBeside && column.value >= kRight) {
            constexpr int kIndex = column.value - kRight + kMiddle;
            return Column::LoadNext(beside[kIndex], beside_row[kIndex]);
          } else {
            return Column::LoadNext(next, pixel);
          }
        };
        Column value = load(Index<0>{});
        Unroll<kColumns>([&](auto column) NEONSENSE_INLINE_BODY {
          const Column current = value;
          // The last column meets last taps only, which take no second one.
          if constexpr (column.value + 1 < kColumns) value = load(Index<column.value + 1>{});
          const Pair pair(current, value);
          Unroll<kTile>([&](auto t) NEONSENSE_INLINE_BODY {
            constexpr int kTap = column.value - t.value * kStride;
            if constexpr (kTap >= 0 && kTap < kKernel && kTap % 2 == 0) {
              if constexpr (kTap + 1 < kKernel) {
                sums[t.value].AddProducts(pair, taps[kTap / 2]);
              } else {
                sums[t.value].AddFirstProducts(pair, taps[kTap / 2]);
              }
            }
          });
        });
        weights += kTapRow;
        row_start += row;
      }

      const Rescaling rescaling(arguments, group + (1 + kKernel) * kNumbers);
      int8_t* to = output + c;
      if (shape.channels - c >= kLanes) {
        Unroll<kTile>([&](auto t) NEONSENSE_INLINE_BODY { rescaling.Store(sums[t.value], to + t.value * pixel); });
      } else {
        const size_t rest = shape.channels - c;
        Unroll<kTile>([&](auto t) NEONSENSE_INLINE_BODY {
          int8_t codes[kLanes];
          rescaling.Store(sums[t.value], codes);
          std::memcpy(to + t.value * pixel, codes, rest);
        });
      }
    }
  }
};

NEONSENSE_INLINE void RunDepthwiseInt8(const DepthwiseInt8Arguments& arguments, const DepthwisePart& part) {
  RunInTiles<Int8Tiles>(arguments, part);
}

}  // namespace
}  // namespace neonsense::kernels
