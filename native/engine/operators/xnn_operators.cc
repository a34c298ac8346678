#include "engine/operators/xnn_operators.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/float_weights.h"
#include "engine/status.h"

namespace neonsense::engine {
namespace {

std::string Packing(const Layer& layer) { return "Packing layer '" + layer.name + "'"; }
std::string Adding(const Layer& layer) { return "Adding layer '" + layer.name + "'"; }

// The operator that was made with weights.
OperatorHandle Packed(xnn_operator_t created, const XnnOptions& options) {
  OperatorHandle handle(created);
  if (options.weights != nullptr) options.weights->ThrowIfOutOfMemory();
  return handle;
}

// XNNPACK asks for a workspace only where its tables are made anew in each run, which nobody asked it for.
void CheckNoWorkspace(size_t bytes, const Layer& layer) {
  if (bytes != 0) throw Error(Packing(layer) + " failed: it needs a workspace");
}

xnn_datatype DatatypeOf(const Place& place) {
  switch (place.type) {
    case ValueType::kF32:
      return xnn_datatype_fp32;
    case ValueType::kQS8:
      return xnn_datatype_qint8;
    case ValueType::kQU8:
      return xnn_datatype_quint8;
    case ValueType::kQD8:
      return xnn_datatype_qdint8;
    case ValueType::kF16:
      return xnn_datatype_fp16;
  }
  return xnn_datatype_invalid;
}

// As profiles show them.
std::string TypesOf(const Place& input, const Place& output) {
  const std::string floats = output.type == ValueType::kF16 ? "F16" : "F32";
  if (input.type == ValueType::kQS8) return "QS8, QC8W";
  return input.type == ValueType::kQD8 ? "QD8, " + floats + ", QC8W" : floats;
}

// An operator that needs memory of its own to run.
class XnnOperatorWithWorkspace : public XnnOperator {
 public:
  XnnOperatorWithWorkspace(OperatorHandle handle, std::string name, std::unique_ptr<char[]> workspace)
      : XnnOperator(std::move(handle), std::move(name)), workspace_(std::move(workspace)) {}

 private:
  std::unique_ptr<char[]> workspace_;
};

}  // namespace

int8_t CodeOf(float number, const xnn_quantization_params& range) {
  const float code = number / range.scale + static_cast<float>(range.zero_point);
  return static_cast<int8_t>(std::lrintf(std::min(std::max(code, -128.0f), 127.0f)));
}

std::unique_ptr<Operator> MakeConvolution(const Layer& layer, const ConvolutionWindow& window, size_t out_channels,
                                          const Place& input, const Place& output, const XnnOptions& options) {
  const bool depthwise = layer.op == Op::kDepthwiseConv2d;
  const auto [height, width, in_channels] = window.in_shape;
  const auto [top, right, bottom, left] = window.padding;
  const uint32_t groups = depthwise ? static_cast<uint32_t>(in_channels) : 1;
  const size_t group_in = depthwise ? 1 : in_channels;
  const size_t group_out = depthwise ? 1 : out_channels;
  const bool to_half = output.type == ValueType::kF16;
  auto reshape = xnn_reshape_convolution2d_nhwc_f32;
  xnn_operator_t created = nullptr;
  if (input.type == ValueType::kQS8) {
    reshape = xnn_reshape_convolution2d_nhwc_qs8_qc8w;
    CheckStatus(
        xnn_create_convolution2d_nhwc_qs8_qc8w(
            top, right, bottom, left, window.kernel[0], window.kernel[1], window.stride[0], window.stride[1], 1, 1,
            groups, group_in, group_out, in_channels, out_channels, static_cast<int8_t>(input.range.zero_point),
            input.range.scale, layer.weights.scales.data, layer.weights.qc8.data, layer.bias_i32.data,
            static_cast<int8_t>(output.range.zero_point), output.range.scale, CodeOf(layer.min, output.range),
            CodeOf(layer.max, output.range), options.flags, nullptr, options.cache(), &created),
        Packing(layer));
  } else if (input.type == ValueType::kQD8) {
    reshape = to_half ? xnn_reshape_convolution2d_nhwc_qd8_f16_qc8w : xnn_reshape_convolution2d_nhwc_qd8_f32_qc8w;
    const auto create =
        to_half ? xnn_create_convolution2d_nhwc_qd8_f16_qc8w : xnn_create_convolution2d_nhwc_qd8_f32_qc8w;
    CheckStatus(create(top, right, bottom, left, window.kernel[0], window.kernel[1], window.stride[0], window.stride[1],
                       1, 1, groups, group_in, group_out, in_channels, out_channels, layer.weights.scales.data,
                       layer.weights.qc8.data, FiniteBias(layer), layer.min, layer.max, options.flags, nullptr,
                       options.cache(), &created),
                Packing(layer));
  } else if (to_half) {
    reshape = xnn_reshape_convolution2d_nhwc_f16;
    CheckStatus(
        xnn_create_convolution2d_nhwc_f16(
            top, right, bottom, left, window.kernel[0], window.kernel[1], window.stride[0], window.stride[1], 1, 1,
            groups, group_in, group_out, in_channels, out_channels, FoldWeightsInPlace(layer), FiniteBias(layer),
            layer.min, layer.max, options.flags | XNN_FLAG_FP32_STATIC_WEIGHTS, nullptr, options.cache(), &created),
        Packing(layer));
  } else {
    CheckStatus(xnn_create_convolution2d_nhwc_f32(
                    top, right, bottom, left, window.kernel[0], window.kernel[1], window.stride[0], window.stride[1], 1,
                    1, groups, group_in, group_out, in_channels, out_channels, FoldWeightsInPlace(layer),
                    FiniteBias(layer), layer.min, layer.max, options.flags, nullptr, options.cache(), &created),
                Packing(layer));
  }
  OperatorHandle handle = Packed(created, options);
  size_t workspace = 0;
  size_t alignment = 0;
  CheckStatus(reshape(created, 1, height, width, &workspace, &alignment, nullptr, nullptr, options.pool),
              Packing(layer));
  CheckNoWorkspace(workspace, layer);
  xnn_status status = xnn_status_invalid_parameter;
  if (input.type == ValueType::kQS8) {
    status = xnn_setup_convolution2d_nhwc_qs8_qc8w(created, nullptr, input.as<int8_t>(), output.as<int8_t>());
  } else if (input.type == ValueType::kQD8) {
    status = to_half ? xnn_setup_convolution2d_nhwc_qd8_f16_qc8w(created, nullptr, input.as<int8_t>(), output.data,
                                                                 input.params)
                     : xnn_setup_convolution2d_nhwc_qd8_f32_qc8w(created, nullptr, input.as<int8_t>(),
                                                                 output.as<float>(), input.params);
  } else if (to_half) {
    status = xnn_setup_convolution2d_nhwc_f16(created, nullptr, input.data, output.data);
  } else {
    status = xnn_setup_convolution2d_nhwc_f32(created, nullptr, input.as<float>(), output.as<float>());
  }
  CheckStatus(status, Packing(layer));
  const bool is_gemm = window.kernel == std::array<uint32_t, 2>{1, 1} && window.stride == window.kernel;
  return std::make_unique<XnnOperator>(std::move(handle), "Convolution (NHWC, " + TypesOf(input, output) + ") " +
                                                              (depthwise ? "DWConv"
                                                               : is_gemm ? "GEMM"
                                                                         : "IGEMM"));
}

std::unique_ptr<Operator> MakeLinear(const Layer& layer, size_t in_channels, size_t out_channels, const Place& input,
                                     const Place& output, const XnnOptions& options) {
  const std::string name = "Fully Connected (NC, " + TypesOf(input, output) + ") GEMM";
  const bool to_half = output.type == ValueType::kF16;
  xnn_operator_t created = nullptr;
  if (input.type == ValueType::kQS8) {
    CheckStatus(xnn_create_fully_connected_nc_qs8_qc8w(
                    in_channels, out_channels, in_channels, out_channels, static_cast<int8_t>(input.range.zero_point),
                    input.range.scale, layer.weights.scales.data, layer.weights.qc8.data, layer.bias_i32.data,
                    static_cast<int8_t>(output.range.zero_point), output.range.scale, CodeOf(layer.min, output.range),
                    CodeOf(layer.max, output.range), options.flags, nullptr, options.cache(), &created),
                Packing(layer));
    OperatorHandle handle = Packed(created, options);
    CheckStatus(xnn_reshape_fully_connected_nc_qs8_qc8w(created, 1, options.pool), Packing(layer));
    CheckStatus(xnn_setup_fully_connected_nc_qs8_qc8w(created, input.as<int8_t>(), output.as<int8_t>()),
                Packing(layer));
    return std::make_unique<XnnOperator>(std::move(handle), name);
  }
  if (input.type == ValueType::kQD8) {
    const auto create =
        to_half ? xnn_create_fully_connected_nc_qd8_f16_qc8w : xnn_create_fully_connected_nc_qd8_f32_qc8w;
    const auto reshape =
        to_half ? xnn_reshape_fully_connected_nc_qd8_f16_qc8w : xnn_reshape_fully_connected_nc_qd8_f32_qc8w;
    CheckStatus(
        create(in_channels, out_channels, in_channels, out_channels, layer.weights.scales.data, layer.weights.qc8.data,
               FiniteBias(layer), layer.min, layer.max, options.flags, nullptr, options.cache(), &created),
        Packing(layer));
    OperatorHandle handle = Packed(created, options);
    CheckStatus(reshape(created, 1, options.pool), Packing(layer));
    CheckStatus(
        to_half
            ? xnn_setup_fully_connected_nc_qd8_f16_qc8w(created, input.as<int8_t>(), output.data, input.params)
            : xnn_setup_fully_connected_nc_qd8_f32_qc8w(created, input.as<int8_t>(), output.as<float>(), input.params),
        Packing(layer));
    return std::make_unique<XnnOperator>(std::move(handle), name);
  }
  if (to_half) {
    CheckStatus(xnn_create_fully_connected_nc_f16(in_channels, out_channels, in_channels, out_channels,
                                                  FoldWeightsInPlace(layer), FiniteBias(layer), layer.min, layer.max,
                                                  options.flags | XNN_FLAG_FP32_STATIC_WEIGHTS, nullptr,
                                                  options.cache(), &created),
                Packing(layer));
    OperatorHandle handle = Packed(created, options);
    CheckStatus(xnn_reshape_fully_connected_nc_f16(created, 1, options.pool), Packing(layer));
    CheckStatus(xnn_setup_fully_connected_nc_f16(created, input.data, output.data), Packing(layer));
    return std::make_unique<XnnOperator>(std::move(handle), name);
  }
  CheckStatus(xnn_create_fully_connected_nc_f32(in_channels, out_channels, in_channels, out_channels,
                                                FoldWeightsInPlace(layer), FiniteBias(layer), layer.min, layer.max,
                                                options.flags, nullptr, options.cache(), &created),
              Packing(layer));
  OperatorHandle handle = Packed(created, options);
  CheckStatus(xnn_reshape_fully_connected_nc_f32(created, 1, options.pool), Packing(layer));
  CheckStatus(xnn_setup_fully_connected_nc_f32(created, input.as<float>(), output.as<float>()), Packing(layer));
  return std::make_unique<XnnOperator>(std::move(handle), name);
}

std::unique_ptr<Operator> MakeMean(const Layer& layer, const Dims& dims, const std::array<int64_t, 2>& axes,
                                   const Place& input, const Place& output, const XnnOptions& options) {
  xnn_operator_t created = nullptr;
  CheckStatus(
      xnn_create_reduce_nd(xnn_reduce_mean, DatatypeOf(input), &input.range, &output.range, options.flags, &created),
      Adding(layer));
  OperatorHandle handle(created);
  // Sums of floats need no workspace.
  const bool needs_workspace = input.type != ValueType::kF32;
  size_t bytes = 0;
  size_t alignment = 1;
  CheckStatus(
      xnn_reshape_reduce_nd(created, axes.size(), axes.data(), dims.size(), dims.data(),
                            needs_workspace ? &bytes : nullptr, needs_workspace ? &alignment : nullptr, options.pool),
      Adding(layer));
  auto memory = std::make_unique<char[]>(bytes + alignment + XNN_EXTRA_BYTES);
  void* workspace = memory.get();
  size_t space = bytes + alignment;
  if (needs_workspace) workspace = std::align(alignment, bytes, workspace, space);
  CheckStatus(xnn_setup_reduce_nd(created, needs_workspace ? workspace : nullptr, input.data, output.data),
              Adding(layer));
  return std::make_unique<XnnOperatorWithWorkspace>(std::move(handle), "Mean (ND) Mean", std::move(memory));
}

std::unique_ptr<Operator> MakeUnary(const Layer& layer, xnn_unary_operator type, size_t elements, const Place& input,
                                    const Place& output, const XnnOptions& options) {
  xnn_operator_t created = nullptr;
  CheckStatus(xnn_create_unary_elementwise_nc(type, DatatypeOf(input), DatatypeOf(output), nullptr, &input.range,
                                              &output.range, options.flags, &created),
              Adding(layer));
  OperatorHandle handle(created);
  CheckStatus(xnn_reshape_unary_elementwise_nc(created, /*batch_size=*/1, elements, elements, elements, options.pool),
              Adding(layer));
  CheckStatus(xnn_setup_unary_elementwise_nc(created, input.data, output.data), Adding(layer));
  return std::make_unique<XnnOperator>(std::move(handle), "Unary Elementwise (NC)");
}

std::unique_ptr<Operator> MakeBinary(const Layer& layer, const Dims& first_dims, const Dims& second_dims,
                                     const Place& first, const Place& second, const Place& output,
                                     const XnnOptions& options) {
  const xnn_binary_operator type = layer.op == Op::kMultiply ? xnn_binary_multiply : xnn_binary_add;
  xnn_operator_t created = nullptr;
  CheckStatus(xnn_create_binary_elementwise_nd(type, DatatypeOf(output), &first.range, &second.range, &output.range,
                                               options.flags, &created),
              Adding(layer));
  OperatorHandle handle(created);
  CheckStatus(xnn_reshape_binary_elementwise_nd(created, first_dims.size(), first_dims.data(), second_dims.size(),
                                                second_dims.data(), options.pool),
              Adding(layer));
  CheckStatus(xnn_setup_binary_elementwise_nd(created, first.data, second.data, output.data), Adding(layer));
  return std::make_unique<XnnOperator>(std::move(handle), "Binary Elementwise (ND)");
}

std::unique_ptr<Operator> MakeConvert(const Layer& layer, size_t elements, const Place& input, const Place& output,
                                      const XnnOptions& options) {
  if (output.type != ValueType::kQD8) return MakeUnary(layer, xnn_unary_convert, elements, input, output, options);
  const bool from_half = input.type == ValueType::kF16;
  const auto create = from_half ? xnn_create_convert_nc_f16_qd8 : xnn_create_convert_nc_f32_qd8;
  const auto reshape = from_half ? xnn_reshape_convert_nc_f16_qd8 : xnn_reshape_convert_nc_f32_qd8;
  xnn_operator_t created = nullptr;
  CheckStatus(create(options.flags, &created), Adding(layer));
  OperatorHandle handle(created);
  CheckStatus(reshape(created, /*batch_size=*/1, elements, elements, elements, options.pool), Adding(layer));
  CheckStatus(from_half ? xnn_setup_convert_nc_f16_qd8(created, input.data, output.as<int8_t>(), output.params)
                        : xnn_setup_convert_nc_f32_qd8(created, input.as<float>(), output.as<int8_t>(), output.params),
              Adding(layer));
  return std::make_unique<XnnOperator>(std::move(handle),
                                       std::string("Convert (NC, ") + (from_half ? "F16" : "F32") + ", QD8)");
}

}  // namespace neonsense::engine
