#pragma once

#include <cstddef>

#include "kernels/stem.h"
#include "kernels/unrolled.h"
#include "kernels/vector_activation.h"

// The loops for floats and halves. Included behind the Vector of one of them, so that each file has its own.
//
// A tile is some outputs of a row in kGroup channels. What one row of the kernel reads for all of them lies side by
// side and fits into registers, so each number of the image is fetched once and then multiplied lane by lane. Where a
// tile reaches beyond the image, what it reads is copied first, with zeros.
namespace neonsense::kernels {
namespace {

// `Number` is the Vector's. It tells the functions of one file from those of another.
template <typename Number>
struct StemTiles {
  using Arguments = StemArguments<Number>;
  static constexpr int kLanes = Vector::kLanes;
  // Output channels whose weights lie together, and the vectors they make.
  static constexpr int kGroup = 16;
  static constexpr int kVectors = kGroup / kLanes;
  static constexpr int kTile = 16 / kVectors;
  // Numbers from one output of a row to the next.
  static constexpr int kStep = StemShape::kStride * StemShape::kChannels;
  static constexpr int kRowTaps = StemShape::kKernel * StemShape::kChannels;
  // Numbers of an image's row below a tile, and how many are fetched: whole vectors of floats.
  static constexpr int kSpan = (kTile - 1) * kStep + kRowTaps;
  static constexpr int kFetched = (kSpan + 3) / 4 * 4;

  // What lies below a tile: rows of the image, or their copies.
  struct Source {
    const float* first;
    size_t row;
    // Rows of the kernel that lie on the image.
    size_t kernel_begin;
    size_t kernel_end;
  };

  // Writes the tile's first `count` outputs, in kGroup channels from `channel` on.
  static NEONSENSE_INLINE void RunTile(const Arguments& arguments, const Source& source, size_t channel, Number* output,
                                       size_t count) {
    const Number* group = arguments.weights + channel * (1 + StemShape::kTaps);
    Vector sums[kTile * kVectors];
    Unroll<kTile>([&](auto t) NEONSENSE_INLINE_BODY {
      const Number* bias = group;
      Vector::template LoadNext<kVectors>(bias, 0, sums + t.value * kVectors);
    });
    const Number* weights = group + (1 + source.kernel_begin * kRowTaps) * kGroup;
    const float* row = source.first;
    for (size_t k = source.kernel_begin; k < source.kernel_end; k++, row += source.row) {
      Vector numbers[(kFetched + kLanes - 1) / kLanes];
      Vector::template LoadFloats<kFetched>(row, numbers);
      Unroll<kRowTaps>([&](auto i) NEONSENSE_INLINE_BODY {
        Vector taps[kVectors];
        Vector::template LoadNext<kVectors>(weights, kGroup, taps);
        Unroll<kTile>([&](auto t) NEONSENSE_INLINE_BODY {
          constexpr int kAt = i.value + t.value * kStep;
          Unroll<kVectors>([&](auto v) NEONSENSE_INLINE_BODY {
            Vector& sum = sums[t.value * kVectors + v.value];
            sum = MultiplyAddLane<kAt % kLanes>(taps[v.value], numbers[kAt / kLanes], sum);
          });
        });
      });
    }
    Activate(arguments.activation, sums);

    // At the end of a row too many outputs are computed, and of the last channels.
    const size_t pixel = arguments.shape.out_channels;
    const size_t left = pixel - channel;
    const bool is_whole = count == kTile && left >= kGroup;
    Number beside[kTile * kGroup];
    Number* to = is_whole ? output + channel : beside;
    const size_t step = is_whole ? pixel : kGroup;
    Unroll<kTile>([&](auto t) NEONSENSE_INLINE_BODY {
      Unroll<kVectors>([&](auto v) NEONSENSE_INLINE_BODY {
        sums[t.value * kVectors + v.value].Store(to + t.value * step + v.value * kLanes);
      });
    });
    if (is_whole) return;
    for (size_t t = 0; t < count; t++) {
      for (size_t c = 0; c < kGroup && c < left; c++) output[t * pixel + channel + c] = beside[t * kGroup + c];
    }
  }

  // Copies what lies below the tile that begins at number `first` of a row with `left` zeros before it.
  static void Copy(const float* image, size_t row, size_t first, size_t left, size_t rows, float* copy) {
    for (size_t k = 0; k < rows; k++, image += row, copy += kFetched) {
      for (size_t i = 0; i < kFetched; i++) {
        // Beside the image this wraps around and is far too large.
        const size_t at = first + i - left;
        copy[i] = at < row ? image[at] : 0;
      }
    }
  }

  static void Run(const Arguments& arguments, size_t begin, size_t end) {
    const StemShape& shape = arguments.shape;
    const size_t row = shape.width * StemShape::kChannels;
    const size_t zeros = shape.left * StemShape::kChannels;
    float copy[StemShape::kKernel * kFetched];
    for (size_t y = begin; y < end; y++) {
      const size_t first_row = y * StemShape::kStride;
      Source source;
      source.kernel_begin = first_row < shape.top ? shape.top - first_row : 0;
      const size_t below = shape.top + shape.height - first_row;
      source.kernel_end = below < StemShape::kKernel ? below : StemShape::kKernel;
      const float* image = arguments.input + (first_row + source.kernel_begin - shape.top) * row;
      Number* output = arguments.output + y * shape.out_width * shape.out_channels;
      for (size_t x = 0; x < shape.out_width; x += kTile, output += kTile * shape.out_channels) {
        const size_t first = x * kStep;
        if (first >= zeros && first - zeros + kFetched <= row) {
          source.first = image + (first - zeros);
          source.row = row;
        } else {
          Copy(image, row, first, zeros, source.kernel_end - source.kernel_begin, copy);
          source.first = copy;
          source.row = kFetched;
        }
        const size_t left = shape.out_width - x;
        const size_t count = left < kTile ? left : kTile;
        for (size_t channel = 0; channel < shape.out_channels; channel += kGroup) {
          RunTile(arguments, source, channel, output, count);
        }
      }
    }
  }
};

}  // namespace
}  // namespace neonsense::kernels
