#include "engine/operators/sparse_executor.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <cpuinfo.h>
#include <xnnpack.h>

#include "engine/error.h"
#include "engine/float_weights.h"
#include "engine/status.h"

namespace neonsense::engine {
namespace {

bool IsPixel(const Value& value) { return value.shape[0] * value.shape[1] == 1; }

bool HasSquareKernel(const Layer& layer, uint32_t kernel) {
  const uint32_t padding = (kernel - 1) / 2;
  return layer.kernel == std::array<uint32_t, 2>{kernel, kernel} && layer.stride[0] == layer.stride[1] &&
         layer.padding == std::array<uint32_t, 4>{padding, padding, padding, padding};
}

// Whether there is a kernel for planes.
bool HasKernel(const Plan& plan, const Layer& layer) {
  const bool reads_image = std::count(layer.inputs.begin(), layer.inputs.end(), plan.input) != 0;
  switch (layer.op) {
    case Op::kConv2d:
      if (reads_image) {
        return HasSquareKernel(layer, 3) && layer.stride[0] == 2 && plan.values[plan.input].shape[2] == 3;
      }
      return HasSquareKernel(layer, 1) && layer.stride[0] == 1;
    case Op::kDepthwiseConv2d:
      return !reads_image && (HasSquareKernel(layer, 3) || HasSquareKernel(layer, 5)) && layer.stride[0] <= 2;
    case Op::kLinear:
      return !reads_image && IsPixel(plan.values[layer.inputs[0]]);
    case Op::kGlobalAveragePool:
    case Op::kHardSwish:
    case Op::kMultiply:
    case Op::kAdd:
      return !reads_image;
    case Op::kConvert:
      return false;
  }
  return false;
}

// A linear layer, or the 1x1 convolution of a single pixel, which is one.
bool IsLinear(const Plan& plan, const Layer& layer) {
  return layer.op == Op::kLinear ||
         (layer.op == Op::kConv2d && HasSquareKernel(layer, 1) && IsPixel(plan.values[layer.inputs[0]]));
}

bool IsSparseLayer(const Plan& plan, const Layer& layer) {
  return layer.op == Op::kConv2d && HasSquareKernel(layer, 1) && !IsLinear(plan, layer);
}

bool IsMostlyZero(const Plan& plan) {
  size_t zeros = 0;
  size_t weights = 0;
  for (const Layer& layer : plan.layers) {
    if (!IsSparseLayer(plan, layer)) continue;
    const Span<float>& data = layer.weights.f32;
    weights += data.size;
    zeros += static_cast<size_t>(std::count(data.data, data.data + data.size, 0.0f));
  }
  return zeros * 3 > weights * 2;
}

// Which piece of memory each value is given: pieces are used again once nobody reads what is in them.
class MemoryPlan {
 public:
  explicit MemoryPlan(const Plan& plan) : piece_of_(plan.values.size(), kNone), last_use_(plan.values.size(), 0) {
    for (size_t i = 0; i < plan.layers.size(); i++) {
      for (uint32_t input : plan.layers[i].inputs) last_use_[input] = i;
    }
    std::vector<bool> is_external(plan.values.size(), false);
    is_external[plan.input] = true;
    for (uint32_t output : plan.outputs) is_external[output] = true;
    for (size_t i = 0; i < plan.layers.size(); i++) {
      const Layer& layer = plan.layers[i];
      // Element by element, so it may write where it reads.
      const bool in_place = layer.op == Op::kHardSwish;
      if (in_place) ReleaseInputs(layer, i);
      if (!is_external[layer.output]) piece_of_[layer.output] = Take(ElementCount(plan.values[layer.output]));
      if (!in_place) ReleaseInputs(layer, i);
    }
  }

  static constexpr size_t kNone = SIZE_MAX;
  const std::vector<size_t>& sizes() const { return sizes_; }
  // kNone for inputs and outputs of the plan.
  size_t piece_of(size_t value) const { return piece_of_[value]; }

 private:
  // The free piece that fits best; the largest grows where none fits.
  size_t Take(size_t size) {
    const auto better = [&](size_t a, size_t b) {
      const bool fits_a = sizes_[a] >= size;
      if (fits_a != (sizes_[b] >= size)) return fits_a;
      return fits_a ? sizes_[a] < sizes_[b] : sizes_[a] > sizes_[b];
    };
    const auto best = std::min_element(free_.begin(), free_.end(), better);
    if (best == free_.end()) {
      sizes_.push_back(size);
      return sizes_.size() - 1;
    }
    const size_t piece = *best;
    free_.erase(best);
    sizes_[piece] = std::max(sizes_[piece], size);
    return piece;
  }

  void ReleaseInputs(const Layer& layer, size_t index) {
    for (uint32_t input : layer.inputs) {
      if (last_use_[input] != index || piece_of_[input] == kNone) continue;
      // A layer may read the same value twice.
      if (std::count(free_.begin(), free_.end(), piece_of_[input]) == 0) free_.push_back(piece_of_[input]);
    }
  }

  std::vector<size_t> piece_of_;
  std::vector<size_t> last_use_;
  std::vector<size_t> sizes_;
  std::vector<size_t> free_;
};

std::array<size_t, 4> PlaneShape(const Value& value) { return {1, value.shape[2], value.shape[0], value.shape[1]}; }

}  // namespace

bool SparseExecutor::Supports(const Plan& plan) {
  // XNNPACK has x86 kernels for SSE only and does not use them beside AVX. False on other architectures.
  if (cpuinfo_has_x86_avx()) return false;
  const auto is_output = [&](uint32_t value) {
    return std::count(plan.outputs.begin(), plan.outputs.end(), value) != 0;
  };
  const auto is_f32 = [](const Value& value) { return value.type == ValueType::kF32; };
  return !is_output(plan.input) && std::all_of(plan.values.begin(), plan.values.end(), is_f32) &&
         std::all_of(plan.outputs.begin(), plan.outputs.end(), [&](uint32_t o) { return IsPixel(plan.values[o]); }) &&
         std::all_of(plan.layers.begin(), plan.layers.end(),
                     [&](const Layer& layer) { return HasKernel(plan, layer); }) &&
         IsMostlyZero(plan);
}

SparseExecutor::SparseExecutor(const Plan& plan, const float* input, const std::vector<float*>& outputs,
                               pthreadpool_t pool, bool profile)
    : pool_(pool), times_(profile ? plan.layers.size() : 0) {
  for (size_t i = 0; i < plan.layers.size(); i++) {
    // After the last operator the threads sleep instead of spinning.
    Create(plan, plan.layers[i], i + 1 == plan.layers.size() ? XNN_FLAG_YIELD_WORKERS : 0);
    layer_names_.push_back(plan.layers[i].name);
  }

  const MemoryPlan memory(plan);
  for (size_t size : memory.sizes()) {
    memory_.push_back(std::make_unique<float[]>(size + XNN_EXTRA_BYTES / sizeof(float)));
  }
  std::vector<float*> values(plan.values.size(), nullptr);
  for (size_t i = 0; i < values.size(); i++) {
    if (memory.piece_of(i) != MemoryPlan::kNone) values[i] = memory_[memory.piece_of(i)].get();
  }
  // Read only: no layer writes the plan's input.
  values[plan.input] = const_cast<float*>(input);
  for (size_t i = 0; i < outputs.size(); i++) values[plan.outputs[i]] = outputs[i];
  for (size_t i = 0; i < plan.layers.size(); i++) Setup(plan, plan.layers[i], i, values);
}

void SparseExecutor::Create(const Plan& plan, const Layer& layer, uint32_t flags) {
  switch (layer.op) {
    case Op::kConv2d:
    case Op::kDepthwiseConv2d:
    case Op::kLinear:
      return IsLinear(plan, layer) ? CreateLinear(plan, layer, flags) : CreateConvolution(plan, layer, flags);
    case Op::kGlobalAveragePool:
      return CreateReduceMean(plan, layer, flags);
    case Op::kHardSwish:
      return CreateHardSwish(plan, layer, flags);
    case Op::kMultiply:
      return CreateBinary(plan, layer, xnn_binary_multiply, flags);
    case Op::kAdd:
      return CreateBinary(plan, layer, xnn_binary_add, flags);
    case Op::kConvert:
      break;
  }
  throw Error("Layer '" + layer.name + "' has no sparse kernel");
}

void SparseExecutor::CreateConvolution(const Plan& plan, const Layer& layer, uint32_t flags) {
  const std::string what = "Packing layer '" + layer.name + "'";
  const Value& in = plan.values[layer.inputs[0]];
  const size_t in_channels = in.shape[2];
  const size_t out_channels = plan.values[layer.output].shape[2];
  const bool depthwise = layer.op == Op::kDepthwiseConv2d;
  const bool reads_image = layer.inputs[0] == plan.input;
  xnn_operator_t op = nullptr;
  CheckStatus(xnn_create_convolution2d_nchw_f32(
                  layer.padding[0], layer.padding[1], layer.padding[2], layer.padding[3], layer.kernel[0],
                  layer.kernel[1], layer.stride[0], layer.stride[1], 1, 1,
                  /*groups=*/depthwise ? static_cast<uint32_t>(in_channels) : 1, depthwise ? 1 : in_channels,
                  depthwise ? 1 : out_channels, in_channels, out_channels, FoldWeightsInPlace(layer), FiniteBias(layer),
                  layer.min, layer.max, flags | (reads_image ? XNN_FLAG_INPUT_NHWC : 0), /*code_cache=*/nullptr,
                  /*weights_cache=*/nullptr, &op),
              what);
  Add(op, std::string("Convolution (NCHW, F32) ") + (depthwise ? "DWConv" : reads_image ? "Conv2D HWC2CHW" : "SPMM"));
  size_t height = 0;
  size_t width = 0;
  CheckStatus(xnn_reshape_convolution2d_nchw_f32(op, 1, in.shape[0], in.shape[1], &height, &width, pool_), what);
}

void SparseExecutor::CreateLinear(const Plan& plan, const Layer& layer, uint32_t flags) {
  const std::string what = "Packing layer '" + layer.name + "'";
  const size_t in_channels = plan.values[layer.inputs[0]].shape[2];
  const size_t out_channels = plan.values[layer.output].shape[2];
  xnn_operator_t op = nullptr;
  CheckStatus(
      xnn_create_fully_connected_nc_f32(in_channels, out_channels, in_channels, out_channels, FoldWeightsInPlace(layer),
                                        FiniteBias(layer), layer.min, layer.max, flags,
                                        /*code_cache=*/nullptr, /*weights_cache=*/nullptr, &op),
      what);
  Add(op, "Fully Connected (NC, F32) GEMM");
  CheckStatus(xnn_reshape_fully_connected_nc_f32(op, 1, pool_), what);
}

void SparseExecutor::CreateReduceMean(const Plan& plan, const Layer& layer, uint32_t flags) {
  const std::string what = "Adding layer '" + layer.name + "'";
  xnn_operator_t op = nullptr;
  CheckStatus(xnn_create_reduce_nd(xnn_reduce_mean, xnn_datatype_fp32, nullptr, nullptr, flags, &op), what);
  Add(op, "Mean (ND) Mean");
  const int64_t axes[2] = {2, 3};
  const auto shape = PlaneShape(plan.values[layer.inputs[0]]);
  // Sums of floats need no workspace.
  CheckStatus(xnn_reshape_reduce_nd(op, 2, axes, shape.size(), shape.data(), nullptr, nullptr, pool_), what);
}

void SparseExecutor::CreateHardSwish(const Plan& plan, const Layer& layer, uint32_t flags) {
  const std::string what = "Adding layer '" + layer.name + "'";
  xnn_operator_t op = nullptr;
  CheckStatus(xnn_create_unary_elementwise_nc(xnn_unary_hardswish, xnn_datatype_fp32, xnn_datatype_fp32, nullptr,
                                              nullptr, nullptr, flags, &op),
              what);
  Add(op, "Unary Elementwise (NC)");
  const size_t count = ElementCount(plan.values[layer.output]);
  CheckStatus(xnn_reshape_unary_elementwise_nc(op, /*batch_size=*/1, count, count, count, pool_), what);
}

void SparseExecutor::CreateBinary(const Plan& plan, const Layer& layer, xnn_binary_operator type, uint32_t flags) {
  const std::string what = "Adding layer '" + layer.name + "'";
  xnn_operator_t op = nullptr;
  CheckStatus(xnn_create_binary_elementwise_nd(type, xnn_datatype_fp32, nullptr, nullptr, nullptr, flags, &op), what);
  Add(op, "Binary Elementwise (ND)");
  const auto first = PlaneShape(plan.values[layer.inputs[0]]);
  const auto second = PlaneShape(plan.values[layer.inputs[1]]);
  CheckStatus(xnn_reshape_binary_elementwise_nd(op, first.size(), first.data(), second.size(), second.data(), pool_),
              what);
}

void SparseExecutor::Setup(const Plan& plan, const Layer& layer, size_t index, const std::vector<float*>& values) {
  xnn_operator_t op = operators_[index]->get();
  const float* input = values[layer.inputs[0]];
  float* output = values[layer.output];
  xnn_status status = xnn_status_invalid_parameter;
  switch (layer.op) {
    case Op::kConv2d:
    case Op::kDepthwiseConv2d:
    case Op::kLinear:
      status = IsLinear(plan, layer) ? xnn_setup_fully_connected_nc_f32(op, input, output)
                                     : xnn_setup_convolution2d_nchw_f32(op, input, output);
      break;
    case Op::kGlobalAveragePool:
      status = xnn_setup_reduce_nd(op, /*workspace=*/nullptr, input, output);
      break;
    case Op::kHardSwish:
      status = xnn_setup_unary_elementwise_nc(op, input, output);
      break;
    case Op::kMultiply:
    case Op::kAdd:
      status = xnn_setup_binary_elementwise_nd(op, input, values[layer.inputs[1]], output);
      break;
    case Op::kConvert:
      break;
  }
  CheckStatus(status, "Setting up layer '" + layer.name + "'");
}

void SparseExecutor::Add(xnn_operator_t op, std::string name) {
  OperatorHandle handle(op);
  operators_.push_back(std::make_unique<XnnOperator>(std::move(handle), std::move(name)));
}

void SparseExecutor::Run() {
  using Clock = std::chrono::steady_clock;
  for (size_t i = 0; i < operators_.size(); i++) {
    const Clock::time_point start = times_.empty() ? Clock::time_point() : Clock::now();
    operators_[i]->Run(pool_);
    if (times_.empty()) continue;
    const auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);
    times_[i] = static_cast<uint64_t>(elapsed.count());
  }
}

std::vector<OperatorTime> SparseExecutor::Profile() const {
  std::vector<OperatorTime> operators;
  for (size_t i = 0; i < times_.size(); i++) {
    operators.push_back({layer_names_[i], operators_[i]->name(), times_[i]});
  }
  return operators;
}

}  // namespace neonsense::engine
