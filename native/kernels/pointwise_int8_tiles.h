#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/pointwise_int8.h"
#include "kernels/unrolled.h"
#include "kernels/vector_activation.h"

// The loops of all vector variants. Included behind the Vector and the Dot of one of them, so that each file has its
// own.
//
// Some rows in some vectors of channels lie in registers: a tile. Its codes are first brought into the form in which
// they are multiplied, then go through all channels.
namespace neonsense::kernels {
namespace {

// `Sums` is the Dot. It tells the functions of one file from those of another.
template <typename Sums>
struct PointwiseInt8Tiles {
  using Code = typename Sums::Code;
  static constexpr int kLanes = Vector::kLanes;
  // Vectors of channels whose weights lie side by side.
  static constexpr int kVectors = 2;
  static constexpr int kChannels = kVectors * kLanes;
  // With registers enough two tiles become one.
  static constexpr int kRows = Vector::kRegisters > 16 ? 7 : 6;
  static constexpr int kMostRows = Vector::kRegisters > 16 ? 14 : 6;
  static constexpr size_t kVectorBytes = kLanes * 4;

  // Rows whose codes are at `codes`, in kCount vectors of channels from `channel` on.
  template <int kTileRows, int kCount>
  static void RunTile(const PointwiseInt8Arguments& arguments, const Code* codes, size_t channel, float* output) {
    const size_t in_channels = arguments.shape.in_channels;
    const size_t out_channels = arguments.shape.out_channels;
    const uint8_t* const panel = arguments.weights + channel * (3 * 4 + in_channels);
    Sums sums[kTileRows * kCount];
    Unroll<kCount>([&](auto v) NEONSENSE_INLINE_BODY {
      const Sums first = Sums::Product(panel + v.value * kVectorBytes, -(arguments.zero_point + Sums::kMoved));
      Unroll<kTileRows>([&](auto r) NEONSENSE_INLINE_BODY { sums[r.value * kCount + v.value] = first; });
    });
    constexpr size_t kStep = kChannels * Sums::kTogether;
    const uint8_t* weights = panel + 3 * kVectors * kVectorBytes;
    for (const Code* const end = codes + in_channels; codes != end; codes += Sums::kTogether, weights += kStep) {
      typename Sums::Weights taps[kCount];
      Unroll<kCount>([&](auto v) NEONSENSE_INLINE_BODY {
        taps[v.value] = Sums::Weights::Load(weights + v.value * kLanes * Sums::kTogether);
      });
      Unroll<kTileRows>([&](auto r) NEONSENSE_INLINE_BODY {
        const auto repeated = Sums::Codes::Repeat(codes + r.value * in_channels);
        Unroll<kCount>([&](auto v)
                           NEONSENSE_INLINE_BODY { sums[r.value * kCount + v.value].Add(repeated, taps[v.value]); });
      });
    }

    const float* scales = reinterpret_cast<const float*>(panel + kVectors * kVectorBytes);
    const Vector scale = Vector::All(arguments.scale);
    Unroll<kCount>([&](auto v) NEONSENSE_INLINE_BODY {
      const Vector channel_scale = Vector::Load(scales + v.value * kLanes);
      const Vector bias = Vector::Load(scales + kChannels + v.value * kLanes);
      Vector numbers[kTileRows];
      Unroll<kTileRows>([&](auto r) NEONSENSE_INLINE_BODY {
        numbers[r.value] =
            MultiplyAdd(Multiply(sums[r.value * kCount + v.value].ToFloats(), scale), channel_scale, bias);
      });
      Activate(arguments.activation, numbers);
      float* const to = output + channel + v.value * kLanes;
      const size_t left = out_channels - channel - v.value * kLanes;
      if (left >= kLanes) {
        Unroll<kTileRows>([&](auto r) NEONSENSE_INLINE_BODY { numbers[r.value].Store(to + r.value * out_channels); });
      } else {
        const int rest = static_cast<int>(left);
        Unroll<kTileRows>(
            [&](auto r) NEONSENSE_INLINE_BODY { numbers[r.value].StoreFirst(to + r.value * out_channels, rest); });
      }
    });
  }

  template <int kTileRows>
  static void RunRows(const PointwiseInt8Arguments& arguments, const PointwisePart& part, size_t row, Code* codes) {
    const size_t in_channels = arguments.shape.in_channels;
    Sums::Prepare(arguments.input + row * in_channels, kTileRows * in_channels, codes);
    float* const output = arguments.output + row * arguments.shape.out_channels;
    for (size_t c = part.channel_begin; c < part.channel_end; c += kChannels) {
      part.channel_end - c > kLanes ? RunTile<kTileRows, kVectors>(arguments, codes, c, output)
                                    : RunTile<kTileRows, 1>(arguments, codes, c, output);
    }
  }

  static void Run(const PointwiseInt8Arguments& arguments, const PointwisePart& part) {
    Code codes[kMostRows * kMostInt8Channels];
    for (size_t done = part.row_begin; done < part.row_end;) {
      const size_t left = part.row_end - done;
      if (left >= kMostRows) {
        RunRows<kMostRows>(arguments, part, done, codes);
        done += kMostRows;
        continue;
      }
      // Where fewer rows are left, the tile reaches back over some that are done already.
      const size_t next = left < kRows ? part.row_end : done + kRows;
      RunRows<kRows>(arguments, part, next - kRows, codes);
      done = next;
    }
  }
};

}  // namespace
}  // namespace neonsense::kernels
