#pragma once

#include <array>
#include <memory>

#include "engine/input/input_layout.h"
#include "engine/operators/memory.h"
#include "engine/operators/operator.h"
#include "engine/plan.h"
#include "engine/weights/packed_weights.h"

namespace neonsense::engine {

// XNNPACK's operators, packed and set up. All throw Error naming the layer.

// What every operator is made with.
struct XnnOptions {
  pthreadpool_t pool = nullptr;
  uint32_t flags = 0;
  // Where weights are kept; with the operator where null.
  PackedWeights* weights = nullptr;

  xnn_weights_cache_t cache() const { return weights == nullptr ? nullptr : weights->cache(); }
};

// A dimension list as XNNPACK takes it.
using Dims = std::array<size_t, 4>;

// How a convolution moves over its input, and the channels it finds there.
struct ConvolutionWindow {
  std::array<uint32_t, 2> kernel;
  std::array<uint32_t, 2> stride;
  std::array<uint32_t, 4> padding;  // top, right, bottom, left
  std::array<size_t, 3> in_shape;
};

// The code of a number in a fixed int8 range, as XNNPACK has it.
int8_t CodeOf(float number, const xnn_quantization_params& range);

// Dense or depthwise, from f32 or qd8 to f32, or from qs8 to qs8. Multiplies f32 weights by their factors in place.
std::unique_ptr<Operator> MakeConvolution(const Layer& layer, const ConvolutionWindow& window, size_t out_channels,
                                          const Place& input, const Place& output, const XnnOptions& options);

// For a single pixel, from f32 or qd8 to f32, or from qs8 to qs8. Multiplies f32 weights by their factors in place.
std::unique_ptr<Operator> MakeLinear(const Layer& layer, size_t in_channels, size_t out_channels, const Place& input,
                                     const Place& output, const XnnOptions& options);

// The mean over two axes of `dims`.
std::unique_ptr<Operator> MakeMean(const Layer& layer, const Dims& dims, const std::array<int64_t, 2>& axes,
                                   const Place& input, const Place& output, const XnnOptions& options);

std::unique_ptr<Operator> MakeUnary(const Layer& layer, xnn_unary_operator type, size_t elements, const Place& input,
                                    const Place& output, const XnnOptions& options);

// kMultiply or kAdd; dimensions of 1 are repeated.
std::unique_ptr<Operator> MakeBinary(const Layer& layer, const Dims& first_dims, const Dims& second_dims,
                                     const Place& first, const Place& second, const Place& output,
                                     const XnnOptions& options);

// From f32 to qd8, with one scale and zero point, or between f32 and a fixed range.
std::unique_ptr<Operator> MakeConvert(const Layer& layer, size_t elements, const Place& input, const Place& output,
                                      const XnnOptions& options);

}  // namespace neonsense::engine
