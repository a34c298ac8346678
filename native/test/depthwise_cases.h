#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <ostream>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/depthwise.h"

// Geometries that the kernels of every type are tested with.
namespace neonsense::kernels::test {

struct Case {
  size_t kernel;
  size_t stride;
  size_t height;
  size_t width;
  size_t channels;
  // As torch pads, the same on each side, or as TensorFlow does, as little as possible and less before than behind.
  bool symmetric;
};

inline const Case kCases[] = {
    // The layers of MobileNetV3-Small at 224 pixels; the first two and the last kind smaller.
    {3, 2, 24, 112, 16, true},
    {3, 2, 12, 56, 72, false},
    {3, 1, 9, 28, 88, true},
    {5, 2, 28, 28, 96, true},
    {5, 2, 28, 28, 96, false},
    {5, 1, 14, 14, 120, true},
    {5, 2, 14, 14, 144, false},
    {5, 1, 7, 7, 576, true},
    // Widths that are no multiple of a tile, down to one; channels that are none of a vector.
    {3, 1, 5, 41, 3, true},
    {3, 2, 6, 33, 17, true},
    {3, 2, 7, 34, 9, false},
    {5, 1, 6, 13, 31, true},
    {5, 1, 3, 12, 5, true},
    {5, 2, 9, 25, 7, true},
    {5, 2, 8, 11, 33, false},
    {5, 1, 2, 5, 20, true},
    {5, 1, 4, 6, 12, true},
    {3, 1, 3, 3, 8, true},
    {5, 1, 2, 2, 11, true},
    {3, 2, 2, 2, 6, false},
    {5, 2, 1, 1, 40, true},
    {5, 1, 1, 1, 1, true},
};

inline void PrintTo(const Case& c, std::ostream* out) {
  *out << c.kernel << "x" << c.kernel << " stride " << c.stride << " on " << c.height << "x" << c.width << "x"
       << c.channels << (c.symmetric ? "" : " as TensorFlow pads");
}

// Output length and zeros before the input.
inline std::pair<size_t, size_t> Axis(const Case& c, size_t length) {
  if (c.symmetric) return {(length - 1) / c.stride + 1, c.kernel / 2};
  const size_t out = (length + c.stride - 1) / c.stride;
  const size_t read = (out - 1) * c.stride + c.kernel;
  return {out, read > length ? (read - length) / 2 : 0};
}

inline DepthwiseShape ShapeOf(const Case& c) {
  DepthwiseShape shape;
  shape.kernel = c.kernel;
  shape.stride = c.stride;
  shape.height = c.height;
  shape.width = c.width;
  shape.channels = c.channels;
  std::tie(shape.out_height, shape.top) = Axis(c, c.height);
  std::tie(shape.out_width, shape.left) = Axis(c, c.width);
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
