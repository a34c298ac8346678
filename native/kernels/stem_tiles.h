#pragma once

#include <cstddef>

#include "kernels/stem.h"
#include "kernels/unrolled.h"
#include "kernels/vector_activation.h"

// The loops of all vector variants. Included behind the Vector of one of them, so that each file has its own.
//
// Some outputs of a row lie side by side in registers, a tile, and each number of the image is multiplied by a vector
// of weights as it is fetched. Where a tile reaches beyond the image, what it reads is copied first, with zeros.
namespace neonsense::kernels {
namespace {

// `Number` is the Vector's. It tells the functions of one file from those of another.
template <typename Number>
struct StemTiles {
  static constexpr int kVectors = Vector::kRegisters > 16 ? 1 : 2;
  static constexpr int kTile = Vector::kRegisters > 16 ? 14 : 6;
  // Numbers from one output of a row to the next.
  static constexpr int kStep = StemShape::kStride * StemShape::kChannels;
  static constexpr int kRowTaps = StemShape::kKernel * StemShape::kChannels;
  // Columns of the image below a tile, and the numbers in them.
  static constexpr int kColumns = (kTile - 1) * StemShape::kStride + StemShape::kKernel;
  static constexpr int kSpan = kColumns * StemShape::kChannels;
  static constexpr size_t kGroup = (1 + StemShape::kTaps) * Vector::kLanes;

  // What lies below a tile: rows of the image, or their copies.
  struct Source {
    const Number* first;
    size_t row;
    // Rows of the kernel that lie on the image.
    size_t kernel_begin;
    size_t kernel_end;
  };

  // Writes the tile's first `count` outputs in kGroups * kLanes channels from `channel` on.
  template <int kGroups>
  static void RunTile(const StemArguments<Number>& arguments, const Source& source, size_t channel, Number* output,
                      size_t count) {
    const Number* group = arguments.weights + channel / Vector::kLanes * kGroup;
    Vector sums[kTile * kGroups];
    Unroll<kGroups>([&](auto g) NEONSENSE_INLINE_BODY {
      const Vector bias = Vector::Load(group + g.value * kGroup);
      Unroll<kTile>([&](auto t) NEONSENSE_INLINE_BODY { sums[t.value * kGroups + g.value] = bias; });
    });
    const Number* weights = group + (1 + source.kernel_begin * kRowTaps) * Vector::kLanes;
    const Number* row = source.first;
    for (size_t k = source.kernel_begin; k < source.kernel_end; k++, row += source.row) {
      for (int i = 0; i < kRowTaps; i++, weights += Vector::kLanes) {
        Vector taps[kGroups];
        Unroll<kGroups>([&](auto g)
                            NEONSENSE_INLINE_BODY { taps[g.value] = Vector::Load(weights + g.value * kGroup); });
        Unroll<kTile>([&](auto t) NEONSENSE_INLINE_BODY {
          const Vector number = Vector::All(row[i + t.value * kStep]);
          Unroll<kGroups>([&](auto g) NEONSENSE_INLINE_BODY {
            Vector& sum = sums[t.value * kGroups + g.value];
            sum = MultiplyAdd(number, taps[g.value], sum);
          });
        });
      }
    }
    Activate(arguments.activation, sums);

    const size_t pixel = arguments.shape.out_channels;
    Unroll<kTile>([&](auto t) NEONSENSE_INLINE_BODY {
      if (t.value < count) {
        Unroll<kGroups>([&](auto g) NEONSENSE_INLINE_BODY {
          Number* to = output + t.value * pixel + channel + g.value * Vector::kLanes;
          const size_t left = pixel - channel - g.value * Vector::kLanes;
          if (left >= Vector::kLanes) {
            sums[t.value * kGroups + g.value].Store(to);
          } else {
            sums[t.value * kGroups + g.value].StoreFirst(to, static_cast<int>(left));
          }
        });
      }
    });
  }

  // Copies what lies below the tile at column `x`, with zeros beside the image.
  static void Copy(const StemShape& shape, const Number* image, size_t x, size_t rows, Number* copy) {
    for (size_t k = 0; k < rows; k++, image += shape.width * StemShape::kChannels, copy += kSpan) {
      for (size_t i = 0; i < kColumns; i++) {
        // Beside the image this wraps around and is far too large.
        const size_t in_x = x * StemShape::kStride + i - shape.left;
        for (size_t c = 0; c < StemShape::kChannels; c++) {
          copy[i * StemShape::kChannels + c] = in_x < shape.width ? image[in_x * StemShape::kChannels + c] : 0;
        }
      }
    }
  }

  static void Run(const StemArguments<Number>& arguments, size_t begin, size_t end) {
    const StemShape& shape = arguments.shape;
    const size_t row = shape.width * StemShape::kChannels;
    Number copy[StemShape::kKernel * kSpan];
    for (size_t y = begin; y < end; y++) {
      const size_t first = y * StemShape::kStride;
      Source source;
      source.kernel_begin = first < shape.top ? shape.top - first : 0;
      const size_t below = shape.top + shape.height - first;
      source.kernel_end = below < StemShape::kKernel ? below : StemShape::kKernel;
      const Number* image = arguments.input + (first + source.kernel_begin - shape.top) * row;
      Number* output = arguments.output + y * shape.out_width * shape.out_channels;
      for (size_t x = 0; x < shape.out_width; x += kTile, output += kTile * shape.out_channels) {
        const size_t column = x * StemShape::kStride;
        if (column >= shape.left && column - shape.left + kColumns <= shape.width) {
          source.first = image + (column - shape.left) * StemShape::kChannels;
          source.row = row;
        } else {
          Copy(shape, image, x, source.kernel_end - source.kernel_begin, copy);
          source.first = copy;
          source.row = kSpan;
        }
        const size_t left = shape.out_width - x;
        const size_t count = left < kTile ? left : kTile;
        size_t channel = 0;
        for (; channel + (kVectors - 1) * Vector::kLanes < shape.out_channels; channel += kVectors * Vector::kLanes) {
          RunTile<kVectors>(arguments, source, channel, output, count);
        }
        if (channel < shape.out_channels) RunTile<1>(arguments, source, channel, output, count);
      }
    }
  }
};

}  // namespace
}  // namespace neonsense::kernels
