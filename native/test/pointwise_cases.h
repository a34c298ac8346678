#pragma once

#include <algorithm>
#include <memory>
#include <ostream>
#include <vector>

#include "kernels/pointwise.h"
#include "random_numbers.h"

// What the 1x1 kernels of every type are tested with.
namespace neonsense::kernels {

inline void PrintTo(const PointwiseShape& shape, std::ostream* out) {
  *out << shape.rows << " rows of " << shape.in_channels << " to " << shape.out_channels << " channels";
}

namespace test {

// Of kernels of bytes, and `more`.
inline std::vector<PointwiseShape> Int8Shapes(std::initializer_list<PointwiseShape> more) {
  std::vector<PointwiseShape> shapes = {
      // Layers of MobileNetV3-Small.
      {784, 24, 88},
      {196, 240, 40},
      {49, 576, 96},
      // Rows that are no multiple of a tile, from the fewest on.
      {7, 16, 24},
      {8, 16, 24},
      {13, 4, 33},
      {20, 8, 7},
      {29, 1024, 49},
  };
  shapes.insert(shapes.end(), more);
  return shapes;
}

// Every code from `smallest` on, which is often there. `low` is the least of the numbers that codes are made of.
inline std::vector<int8_t> RandomWeights(const PointwiseShape& shape, float low, int8_t smallest) {
  std::vector<int8_t> weights = RandomNumbers<int8_t>(shape.out_channels * shape.in_channels, 1, low, 127.9f);
  std::fill_n(weights.begin(), weights.size() / 3, smallest);
  return weights;
}

// An input of every code there is, the outermost often, in memory of exactly its size, so that a sanitizer sees what is
// read beyond.
inline std::unique_ptr<int8_t[]> RandomCodes(const PointwiseShape& shape) {
  std::vector<int8_t> codes = RandomNumbers<int8_t>(shape.rows * shape.in_channels, 2, -128, 127.9f);
  std::fill_n(codes.begin(), codes.size() / 4, int8_t{-128});
  std::fill_n(codes.begin() + static_cast<ptrdiff_t>(codes.size() / 4), codes.size() / 4, int8_t{127});
  std::unique_ptr<int8_t[]> input(new int8_t[codes.size()]);
  std::copy(codes.begin(), codes.end(), input.get());
  return input;
}

// Computes an output in parts, as threads share the work.
template <typename Variant, typename Arguments>
void RunPointwiseInParts(const Variant& variant, const Arguments& arguments) {
  const PointwiseShape& shape = arguments.shape;
  const size_t rows = shape.rows / variant.rows / 2 * variant.rows;
  const size_t channels = shape.out_channels / 2 / variant.channels * variant.channels;
  if (rows != 0) variant.run(arguments, {0, rows, 0, channels});
  if (rows != 0) variant.run(arguments, {0, rows, channels, shape.out_channels});
  variant.run(arguments, {rows, shape.rows, 0, shape.out_channels});
}

}  // namespace test
}  // namespace neonsense::kernels
