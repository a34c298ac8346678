#include "engine/subgraph/graph.h"

#include <string>
#include <utility>

#include "engine/float_weights.h"
#include "engine/status.h"

namespace neonsense::engine {
namespace {

class GraphBuilder {
 public:
  GraphBuilder(const Plan& plan, const InputLayout& input) : plan_(plan), input_(input) {
    xnn_subgraph_t subgraph = nullptr;
    CheckStatus(xnn_create_subgraph(static_cast<uint32_t>(1 + plan.outputs.size()), /*flags=*/0, &subgraph),
                "Creating the graph");
    graph_.subgraph.reset(subgraph);
  }

  Graph Build() {
    DefineValues();
    for (size_t i = 0; i < plan_.layers.size(); i++) {
      if (i == input_.converted()) continue;
      const Layer& layer = plan_.layers[i];
      CheckStatus(DefineLayer(layer, i == input_.unrolled()), "Adding layer '" + layer.name + "'");
    }
    return std::move(graph_);
  }

 private:
  void DefineValues() {
    std::vector<uint32_t> external_ids(plan_.values.size(), XNN_INVALID_VALUE_ID);
    external_ids[input_.graph_input()] = kInputId;
    for (size_t i = 0; i < plan_.outputs.size(); i++) {
      external_ids[plan_.outputs[i]] = kFirstOutputId + static_cast<uint32_t>(i);
    }
    ids_.reserve(plan_.values.size());
    for (size_t i = 0; i < plan_.values.size(); i++) {
      if (i == plan_.input && i != input_.graph_input()) {
        // Converted before it gets here.
        ids_.push_back(XNN_INVALID_VALUE_ID);
        continue;
      }
      const uint32_t flags = external_ids[i] == XNN_INVALID_VALUE_ID ? 0
                             : i == input_.graph_input()             ? XNN_VALUE_FLAG_EXTERNAL_INPUT
                                                                     : XNN_VALUE_FLAG_EXTERNAL_OUTPUT;
      const auto& shape = input_.Covers(i) ? input_.shape() : plan_.values[i].shape;
      ids_.push_back(DefineValue(plan_.values[i], shape, external_ids[i], flags));
    }
  }

  uint32_t DefineValue(const Value& value, const std::array<size_t, 3>& shape, uint32_t external_id, uint32_t flags) {
    const size_t dims[4] = {1, shape[0], shape[1], shape[2]};
    uint32_t id = XNN_INVALID_VALUE_ID;
    xnn_status status = xnn_status_invalid_parameter;
    switch (value.type) {
      case ValueType::kF32:
        status = xnn_define_tensor_value(subgraph(), xnn_datatype_fp32, 4, dims, nullptr, external_id, flags, &id);
        break;
      case ValueType::kQS8:
      case ValueType::kQU8:
        status = xnn_define_quantized_tensor_value(
            subgraph(), value.type == ValueType::kQS8 ? xnn_datatype_qint8 : xnn_datatype_quint8, value.zero_point,
            value.scale, 4, dims, nullptr, external_id, flags, &id);
        break;
      case ValueType::kQD8:
        // One scale and zero point for the whole image.
        status = xnn_define_dynamically_quantized_tensor_value(subgraph(), xnn_datatype_qdint8, 4,
                                                               /*num_nonbatch_dims=*/3, dims, external_id, flags, &id);
        break;
      case ValueType::kF16:
        break;
    }
    CheckStatus(status, "Adding value '" + value.name + "'");
    return id;
  }

  uint32_t DefineFilter(const Layer& layer, uint32_t kernel_height, uint32_t kernel_width, size_t out_channels,
                        size_t in_channels) {
    const bool depthwise = layer.op == Op::kDepthwiseConv2d;
    const size_t conv_dims[4] = {depthwise ? 1 : out_channels, kernel_height, kernel_width, in_channels};
    const size_t linear_dims[2] = {out_channels, in_channels};
    const size_t* dims = layer.op == Op::kLinear ? linear_dims : conv_dims;
    const size_t rank = layer.op == Op::kLinear ? 2 : 4;
    const Weights& weights = layer.weights;
    uint32_t id = XNN_INVALID_VALUE_ID;
    xnn_status status = xnn_status_invalid_parameter;
    switch (weights.type) {
      case WeightType::kF32:
        status = xnn_define_tensor_value(subgraph(), xnn_datatype_fp32, rank, dims,
                                         InOrder(FoldWeightsInPlace(layer), layer, out_channels), XNN_INVALID_VALUE_ID,
                                         0, &id);
        break;
      case WeightType::kQC8:
        status = xnn_define_channelwise_quantized_tensor_value(
            subgraph(), xnn_datatype_qcint8, weights.scales.data, rank, /*channel_dim=*/depthwise ? 3 : 0, dims,
            InOrder(weights.qc8.data, layer, out_channels), XNN_INVALID_VALUE_ID, 0, &id);
        break;
      case WeightType::kQU8:
        status = xnn_define_quantized_tensor_value(subgraph(), xnn_datatype_quint8, weights.zero_point, weights.scale,
                                                   rank, dims, InOrder(weights.qu8.data, layer, out_channels),
                                                   XNN_INVALID_VALUE_ID, 0, &id);
        break;
    }
    CheckStatus(status, "Adding the weights of '" + layer.name + "'");
    return id;
  }

  // Depthwise weights as XNNPACK takes them, [1, KH, KW, C] instead of [C, KH, KW]; others as they are.
  template <typename T>
  const T* InOrder(const T* weights, const Layer& layer, size_t channels) {
    if (layer.op != Op::kDepthwiseConv2d) return weights;
    const size_t taps = size_t{layer.kernel[0]} * layer.kernel[1];
    T* ordered = reinterpret_cast<T*>(graph_.depthwise_weights.emplace_back(channels * taps * sizeof(T)).data());
    for (size_t c = 0; c < channels; c++) {
      for (size_t tap = 0; tap < taps; tap++) ordered[tap * channels + c] = weights[c * taps + tap];
    }
    return ordered;
  }

  uint32_t DefineBias(const Layer& layer, const Value& input, size_t out_channels) {
    const size_t dims[1] = {out_channels};
    uint32_t id = XNN_INVALID_VALUE_ID;
    xnn_status status = xnn_status_invalid_parameter;
    switch (input.type) {
      case ValueType::kF16:
        break;
      case ValueType::kF32:
      case ValueType::kQD8:
        status = xnn_define_tensor_value(subgraph(), xnn_datatype_fp32, 1, dims, FiniteBias(layer),
                                         XNN_INVALID_VALUE_ID, 0, &id);
        break;
      case ValueType::kQS8: {
        std::vector<float>& scales = graph_.bias_scales.emplace_back(out_channels);
        for (size_t i = 0; i < out_channels; i++) scales[i] = input.scale * layer.weights.scales.data[i];
        status = xnn_define_channelwise_quantized_tensor_value(subgraph(), xnn_datatype_qcint32, scales.data(), 1,
                                                               /*channel_dim=*/0, dims, layer.bias_i32.data,
                                                               XNN_INVALID_VALUE_ID, 0, &id);
        break;
      }
      case ValueType::kQU8:
        status = xnn_define_quantized_tensor_value(subgraph(), xnn_datatype_qint32, /*zero_point=*/0,
                                                   input.scale * layer.weights.scale, 1, dims, layer.bias_i32.data,
                                                   XNN_INVALID_VALUE_ID, 0, &id);
        break;
    }
    CheckStatus(status, "Adding the bias of '" + layer.name + "'");
    return id;
  }

  xnn_status DefineLayer(const Layer& layer, bool unrolled) {
    const uint32_t input = ids_[layer.inputs[0]];
    const uint32_t output = ids_[layer.output];
    switch (layer.op) {
      case Op::kConv2d:
      case Op::kDepthwiseConv2d:
      case Op::kLinear:
        return DefineWeighted(layer, unrolled, input, output);
      case Op::kGlobalAveragePool: {
        const int64_t axes[2] = {1, 2};
        return xnn_define_static_reduce_v2(subgraph(), xnn_reduce_mean, 2, axes, input, output, XNN_FLAG_KEEP_DIMS);
      }
      case Op::kHardSwish:
        return xnn_define_unary(subgraph(), xnn_unary_hardswish, nullptr, input, output, 0);
      case Op::kMultiply:
        return xnn_define_binary(subgraph(), xnn_binary_multiply, nullptr, input, ids_[layer.inputs[1]], output, 0);
      case Op::kAdd:
        return xnn_define_binary(subgraph(), xnn_binary_add, nullptr, input, ids_[layer.inputs[1]], output, 0);
      case Op::kConvert:
        return xnn_define_unary(subgraph(), xnn_unary_convert, nullptr, input, output, 0);
    }
    return xnn_status_invalid_parameter;
  }

  xnn_status DefineWeighted(const Layer& layer, bool unrolled, uint32_t input, uint32_t output) {
    const Value& in = plan_.values[layer.inputs[0]];
    const size_t in_channels = unrolled ? input_.shape()[2] : in.shape[2];
    const size_t out_channels = plan_.values[layer.output].shape[2];
    const InputLayout::Window whole{layer.kernel[0], layer.stride[0], layer.padding[0], layer.padding[2]};
    const InputLayout::Window window = unrolled ? input_.window() : whole;
    const uint32_t kernel_width = unrolled ? 1 : layer.kernel[1];
    const uint32_t stride_width = unrolled ? 1 : layer.stride[1];
    const uint32_t right = unrolled ? 0 : layer.padding[1];
    const uint32_t left = unrolled ? 0 : layer.padding[3];
    const uint32_t filter = DefineFilter(layer, window.height, kernel_width, out_channels, in_channels);
    const uint32_t bias = DefineBias(layer, in, out_channels);
    switch (layer.op) {
      case Op::kConv2d:
        return xnn_define_convolution_2d(subgraph(), window.top, right, window.bottom, left, window.height,
                                         kernel_width, window.stride, stride_width, 1, 1, /*groups=*/1, in_channels,
                                         out_channels, layer.min, layer.max, input, filter, bias, output, 0);
      case Op::kDepthwiseConv2d:
        return xnn_define_depthwise_convolution_2d(subgraph(), window.top, right, window.bottom, left, window.height,
                                                   kernel_width, window.stride, stride_width, 1, 1,
                                                   /*depth_multiplier=*/1, in_channels, layer.min, layer.max, input,
                                                   filter, bias, output, 0);
      default:
        return xnn_define_fully_connected(subgraph(), layer.min, layer.max, input, filter, bias, output, 0);
    }
  }

  xnn_subgraph_t subgraph() const { return graph_.subgraph.get(); }

  const Plan& plan_;
  const InputLayout& input_;
  Graph graph_;
  std::vector<uint32_t> ids_;
};

}  // namespace

Graph BuildGraph(const Plan& plan, const InputLayout& input) { return GraphBuilder(plan, input).Build(); }

}  // namespace neonsense::engine
