#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <ostream>
#include <vector>

#include "kernels/depthwise.h"

// Geometries that the kernels of every type are tested with.
namespace neonsense::kernels::test {

enum class Padding {
  // As torch pads, the same on each side.
  kTorch,
  // As TensorFlow does: as little as possible, and less before than behind.
  kTensorFlow,
  kNone,
  // Half a kernel on one side, nothing on the other.
  kBefore,
  kBehind,
};

struct Case {
  size_t kernel;
  size_t stride;
  size_t height;
  size_t width;
  size_t channels;
  Padding padding;
};

inline const Case kCases[] = {
    // The layers of MobileNetV3-Small at 224 pixels; the first two and the last kind smaller.
    {3, 2, 24, 112, 16, Padding::kTorch},
    {3, 2, 12, 56, 72, Padding::kTensorFlow},
    {3, 1, 9, 28, 88, Padding::kTorch},
    {5, 2, 28, 28, 96, Padding::kTorch},
    {5, 2, 28, 28, 96, Padding::kTensorFlow},
    {5, 1, 14, 14, 120, Padding::kTorch},
    {5, 2, 14, 14, 144, Padding::kTensorFlow},
    {5, 1, 7, 7, 576, Padding::kTorch},
    // Widths that are no multiple of a tile, down to one; channels that are none of a vector.
    {3, 1, 5, 41, 3, Padding::kTorch},
    {3, 2, 6, 33, 17, Padding::kTorch},
    {3, 2, 7, 34, 9, Padding::kTensorFlow},
    {5, 1, 6, 13, 31, Padding::kTorch},
    {5, 1, 3, 12, 5, Padding::kTorch},
    {5, 2, 9, 25, 7, Padding::kTorch},
    {5, 2, 8, 11, 33, Padding::kTensorFlow},
    {5, 1, 2, 5, 20, Padding::kTorch},
    {5, 1, 4, 6, 12, Padding::kTorch},
    {3, 1, 3, 3, 8, Padding::kTorch},
    {5, 1, 2, 2, 11, Padding::kTorch},
    {3, 2, 2, 2, 6, Padding::kTensorFlow},
    {5, 2, 1, 1, 40, Padding::kTorch},
    {5, 1, 1, 1, 1, Padding::kTorch},
    // Nothing beside the input, or something on one side only.
    {3, 1, 9, 20, 24, Padding::kNone},
    {3, 2, 9, 31, 16, Padding::kNone},
    {5, 1, 8, 19, 17, Padding::kNone},
    {5, 2, 12, 12, 40, Padding::kNone},
    {3, 1, 3, 3, 5, Padding::kNone},
    {5, 2, 5, 5, 9, Padding::kNone},
    {3, 1, 6, 17, 24, Padding::kBefore},
    {3, 2, 7, 30, 11, Padding::kBefore},
    {5, 1, 6, 11, 16, Padding::kBefore},
    {5, 2, 9, 22, 33, Padding::kBefore},
    {3, 1, 6, 17, 24, Padding::kBehind},
    {3, 2, 7, 30, 11, Padding::kBehind},
    {5, 1, 6, 11, 16, Padding::kBehind},
    {5, 2, 9, 22, 33, Padding::kBehind},
};

inline void PrintTo(const Case& c, std::ostream* out) {
  constexpr const char* kNames[] = {"", " as TensorFlow pads", " without padding", " padded before", " padded behind"};
  *out << c.kernel << "x" << c.kernel << " stride " << c.stride << " on " << c.height << "x" << c.width << "x"
       << c.channels << kNames[static_cast<size_t>(c.padding)];
}

// Output length, zeros before the input and behind it.
struct Axis {
  size_t out;
  size_t before;
  size_t behind;

  Axis(const Case& c, size_t length) {
    const size_t half = c.kernel / 2;
    out = (length - 1) / c.stride + 1;
    before = behind = half;
    if (c.padding == Padding::kTensorFlow) {
      const size_t read = (out - 1) * c.stride + c.kernel;
      before = read > length ? (read - length) / 2 : 0;
      behind = read > length ? read - length - before : 0;
    } else if (c.padding != Padding::kTorch) {
      before = c.padding == Padding::kBefore ? half : 0;
      behind = c.padding == Padding::kBehind ? half : 0;
      out = (before + length + behind - c.kernel) / c.stride + 1;
    }
  }
};

inline DepthwiseShape ShapeOf(const Case& c) {
  DepthwiseShape shape;
  shape.kernel = c.kernel;
  shape.stride = c.stride;
  shape.height = c.height;
  shape.width = c.width;
  shape.channels = c.channels;
  const Axis vertical(c, c.height);
  const Axis horizontal(c, c.width);
  shape.out_height = vertical.out;
  shape.out_width = horizontal.out;
  shape.top = vertical.before;
  shape.left = horizontal.before;
  return shape;
}

// An input with kReadSlack of `behind` after it, in memory of exactly that size, so that a sanitizer sees what is read
// beyond: a vector would have room that nobody asked for.
template <typename T>
std::unique_ptr<T[]> WithSlack(const std::vector<T>& input, T behind) {
  std::unique_ptr<T[]> memory(new T[input.size() + kReadSlack]);
  std::fill_n(std::copy(input.begin(), input.end(), memory.get()), kReadSlack, behind);
  return memory;
}

// Computes an output in parts, as threads share the work.
template <typename Variant, typename Arguments>
void RunInParts(const Variant& variant, const Arguments& arguments) {
  const DepthwiseShape& shape = arguments.shape;
  const size_t rows = shape.out_height / 2;
  const size_t channels = shape.channels / 2 / variant.lanes * variant.lanes;
  variant.run(arguments, {0, rows, 0, channels});
  variant.run(arguments, {0, rows, channels, shape.channels});
  variant.run(arguments, {rows, shape.out_height, 0, shape.channels});
}

}  // namespace neonsense::kernels::test
