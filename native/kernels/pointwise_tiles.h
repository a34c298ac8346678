#pragma once

#include <cstddef>

#include "kernels/pointwise.h"
#include "kernels/unrolled.h"
#include "kernels/vector_activation.h"

// The loops of x86's variants. Included behind the Vector of one of them, so that each file has its own.
//
// Some rows in some vectors of channels lie in registers: a tile. Each number of the input is multiplied by vectors of
// weights as it is fetched.
namespace neonsense::kernels {
namespace {

// `Number` is the Vector's. It tells the functions of one file from those of another.
template <typename Number>
struct PointwiseTiles {
  using Arguments = PointwiseArguments<Number>;
  // Vectors of channels whose weights lie side by side.
  static constexpr int kVectors = 2;
  static constexpr int kChannels = kVectors * Vector::kLanes;
  // With registers enough two tiles become one.
  static constexpr int kRows = Vector::kRegisters > 16 ? 7 : 6;
  static constexpr int kMostRows = Vector::kRegisters > 16 ? 14 : 6;
  // Weights of all channels that stay in the innermost cache while rows pass by.
  static constexpr size_t kNearBytes = 24 * 1024;

  // Rows from `row` on, in kCount vectors of channels from `channel` on.
  template <int kTileRows, int kCount>
  static void RunTile(const Arguments& arguments, size_t row, size_t channel) {
    const size_t in_channels = arguments.shape.in_channels;
    const size_t out_channels = arguments.shape.out_channels;
    const Number* weights = arguments.weights + channel * (1 + in_channels);
    Vector sums[kTileRows * kCount];
    Unroll<kCount>([&](auto v) NEONSENSE_INLINE_BODY {
      const Vector bias = Vector::Load(weights + v.value * Vector::kLanes);
      Unroll<kTileRows>([&](auto r) NEONSENSE_INLINE_BODY { sums[r.value * kCount + v.value] = bias; });
    });
    const Number* input = arguments.input + row * in_channels;
    for (const Number* const end = input + in_channels; input != end; input++) {
      weights += kChannels;
      Vector taps[kCount];
      Unroll<kCount>([&](auto v)
                         NEONSENSE_INLINE_BODY { taps[v.value] = Vector::Load(weights + v.value * Vector::kLanes); });
      Unroll<kTileRows>([&](auto r) NEONSENSE_INLINE_BODY {
        const Vector number = Vector::All(input[r.value * in_channels]);
        Unroll<kCount>([&](auto v) NEONSENSE_INLINE_BODY {
          Vector& sum = sums[r.value * kCount + v.value];
          sum = MultiplyAdd(number, taps[v.value], sum);
        });
      });
    }
    Activate(arguments.activation, sums);

    Number* output = arguments.output + row * out_channels + channel;
    const size_t left = out_channels - channel;
    if (left >= kCount * Vector::kLanes) {
      Unroll<kTileRows>([&](auto r) NEONSENSE_INLINE_BODY {
        Unroll<kCount>([&](auto v) NEONSENSE_INLINE_BODY {
          sums[r.value * kCount + v.value].Store(output + r.value * out_channels + v.value * Vector::kLanes);
        });
      });
      return;
    }
    const int rest = static_cast<int>(left - (kCount - 1) * Vector::kLanes);
    Unroll<kTileRows>([&](auto r) NEONSENSE_INLINE_BODY {
      Number* const to = output + r.value * out_channels;
      Unroll<kCount - 1>(
          [&](auto v) NEONSENSE_INLINE_BODY { sums[r.value * kCount + v.value].Store(to + v.value * Vector::kLanes); });
      sums[r.value * kCount + kCount - 1].StoreFirst(to + (kCount - 1) * Vector::kLanes, rest);
    });
  }

  template <int kTileRows>
  static void RunChannels(const Arguments& arguments, size_t row, size_t begin, size_t end) {
    for (size_t c = begin; c < end; c += kChannels) {
      end - c > Vector::kLanes ? RunTile<kTileRows, kVectors>(arguments, row, c)
                               : RunTile<kTileRows, 1>(arguments, row, c);
    }
  }

  static void RunRows(const Arguments& arguments, const PointwisePart& part, size_t begin, size_t end) {
    for (size_t done = part.row_begin; done < part.row_end;) {
      const size_t left = part.row_end - done;
      if (left >= kMostRows) {
        RunChannels<kMostRows>(arguments, done, begin, end);
        done += kMostRows;
        continue;
      }
      // Where fewer rows are left, the tile reaches back over some that are done already.
      const size_t next = left < kRows ? part.row_end : done + kRows;
      RunChannels<kRows>(arguments, next - kRows, begin, end);
      done = next;
    }
  }

  static void Run(const Arguments& arguments, const PointwisePart& part) {
    const size_t channels = part.channel_end - part.channel_begin;
    const bool all_near = channels * arguments.shape.in_channels * sizeof(Number) <= kNearBytes;
    const size_t at_once = all_near ? channels : kChannels;
    for (size_t c = part.channel_begin; c < part.channel_end; c += at_once) {
      RunRows(arguments, part, c, part.channel_end - c < at_once ? part.channel_end : c + at_once);
    }
  }
};

}  // namespace
}  // namespace neonsense::kernels
