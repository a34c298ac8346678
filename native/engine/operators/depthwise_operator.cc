#include "engine/operators/depthwise_operator.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/cpu.h"
#include "engine/float_weights.h"
#include "engine/operators/kernel_layer.h"
#include "engine/operators/thread_parts.h"
#include "engine/operators/xnn_operators.h"
#include "kernels/depthwise.h"
#include "kernels/depthwise_int8.h"

namespace neonsense::engine {
namespace {

using kernels::Activation;
using kernels::DepthwiseArguments;
using kernels::DepthwiseInt8Arguments;
using kernels::DepthwiseInt8Variant;
using kernels::DepthwiseShape;
using kernels::DepthwiseVariant;
using kernels::Half;

static_assert(Memory::kSlackBytes >= kernels::kReadSlack * sizeof(float));

// Channels whose weights stay in the innermost cache while all rows are computed.
constexpr size_t kChannelsAtOnce = 96;

DepthwiseShape ShapeOf(const Plan& plan, const Layer& layer) {
  const Value& in = plan.values[layer.inputs[0]];
  const Value& out = plan.values[layer.output];
  DepthwiseShape shape;
  shape.kernel = layer.kernel[0];
  shape.stride = layer.stride[0];
  shape.height = in.shape[0];
  shape.width = in.shape[1];
  shape.channels = in.shape[2];
  shape.out_height = out.shape[0];
  shape.out_width = out.shape[1];
  shape.top = layer.padding[0];
  shape.left = layer.padding[3];
  return shape;
}

// `Arguments` and `Variant` are those of floats or of bytes.
template <typename Arguments, typename Variant>
class DepthwiseOperator : public Operator {
 public:
  DepthwiseOperator(const Variant& variant, const Arguments& arguments, std::string name, uint32_t flags)
      : run_(variant.run), lanes_(variant.lanes), arguments_(arguments), flags_(flags), name_(std::move(name)) {}

  void Run(pthreadpool_t pool) override {
    const DepthwiseShape& shape = arguments_.shape;
    const size_t blocks = (shape.channels + kChannelsAtOnce - 1) / kChannelsAtOnce;
    const size_t channels = ((shape.channels + blocks - 1) / blocks + lanes_ - 1) / lanes_ * lanes_;
    const size_t rows = RowsAtOnce(shape.out_height, pthreadpool_get_threads_count(pool));
    pthreadpool_parallelize_2d_tile_2d(
        pool,
        [](void* self, size_t row, size_t channel, size_t row_count, size_t channel_count) {
          const auto* depthwise = static_cast<const DepthwiseOperator*>(self);
          depthwise->run_(depthwise->arguments_, {row, row + row_count, channel, channel + channel_count});
        },
        this, shape.out_height, shape.channels, rows, channels, flags_);
  }
  const std::string& name() const override { return name_; }

 private:
  void (*run_)(const Arguments&, const kernels::DepthwisePart&);
  size_t lanes_;
  Arguments arguments_;
  uint32_t flags_;
  std::string name_;
};

// `type` is that of the numbers, where it is to be named.
std::string NameOf(const std::string& type, const DepthwiseShape& shape, const Activation& activation,
                   const char* variant) {
  const std::string side = std::to_string(shape.kernel);
  return KernelName("depthwise " + type + side + "x" + side + " stride " + std::to_string(shape.stride), activation,
                    variant);
}

// Of floats or halves.
template <typename Number>
std::unique_ptr<Operator> MakeFloat(const DepthwiseVariant<Number>& variant, const Plan& plan, const Step& step,
                                    const Place& input, const Place& output, PackedWeights& weights, uint32_t flags) {
  const Layer& layer = *step.layer;
  DepthwiseArguments<Number> arguments;
  arguments.shape = ShapeOf(plan, layer);
  arguments.activation = ActivationOf(step);
  arguments.input = input.as<Number>();
  arguments.output = output.as<Number>();
  arguments.weights = weights.Keep([&] {
    return RoundedTo<Number>(
        kernels::PackDepthwiseWeights(arguments.shape, variant.lanes, FoldWeightsInPlace(layer), FiniteBias(layer)));
  });
  return std::make_unique<DepthwiseOperator<DepthwiseArguments<Number>, DepthwiseVariant<Number>>>(
      variant, arguments, NameOf("", arguments.shape, arguments.activation, variant.name), flags);
}

std::unique_ptr<Operator> MakeInt8(const Plan& plan, const Layer& layer, const Place& input, const Place& output,
                                   PackedWeights& weights, uint32_t flags) {
  const DepthwiseInt8Variant& variant = kernels::ChooseDepthwiseInt8(KernelFeatures());
  DepthwiseInt8Arguments arguments;
  arguments.shape = ShapeOf(plan, layer);
  arguments.input = input.as<int8_t>();
  arguments.output = output.as<int8_t>();
  arguments.input_zero_point = static_cast<int8_t>(input.range.zero_point);
  arguments.output_zero_point = static_cast<int8_t>(output.range.zero_point);
  arguments.output_min = CodeOf(layer.min, output.range);
  arguments.output_max = CodeOf(layer.max, output.range);
  arguments.weights = weights.Keep([&] {
    const std::vector<float> scales = OutputScales(layer, input, output);
    return kernels::PackDepthwiseInt8(arguments.shape, variant, arguments.input_zero_point,
                                      {layer.weights.qc8.data, layer.bias_i32.data, scales.data()});
  });
  return std::make_unique<DepthwiseOperator<DepthwiseInt8Arguments, DepthwiseInt8Variant>>(
      variant, arguments, NameOf("int8 ", arguments.shape, {}, variant.name), flags);
}

// XNNPACK's own are faster than a plain loop.
template <typename Variant>
bool HasLanes(const Variant& variant) {
  return variant.lanes > 1;
}

}  // namespace

bool HasDepthwiseKernel(const Plan& plan, const Layer& layer) {
  if (layer.op != Op::kDepthwiseConv2d) return false;
  const uint32_t most = layer.kernel[0] / 2;
  if (layer.kernel[0] != layer.kernel[1] || layer.stride[0] != layer.stride[1] ||
      !std::all_of(layer.padding.begin(), layer.padding.end(), [&](uint32_t zeros) { return zeros <= most; }) ||
      !ShapeOf(plan, layer).IsSupported()) {
    return false;
  }
  switch (plan.values[layer.inputs[0]].type) {
    case ValueType::kF32:
      return HasLanes(kernels::ChooseDepthwise(KernelFeatures()));
    case ValueType::kF16:
      return kernels::ChooseDepthwiseHalf(KernelFeatures()) != nullptr;
    case ValueType::kQS8:
      return HasLanes(kernels::ChooseDepthwiseInt8(KernelFeatures())) && !HasSmallestWeight(layer);
    case ValueType::kQU8:
    case ValueType::kQD8:
      break;
  }
  return false;
}

bool TakesHardSwish(const Plan& plan, const Layer& layer) {
  return plan.values[layer.inputs[0]].type != ValueType::kQS8 && HasDepthwiseKernel(plan, layer);
}

std::unique_ptr<Operator> MakeDepthwise(const Plan& plan, const Step& step, const Place& input, const Place& output,
                                        PackedWeights& weights, uint32_t flags) {
  if (input.type == ValueType::kQS8) return MakeInt8(plan, *step.layer, input, output, weights, flags);
  const kernels::CpuFeatures cpu = KernelFeatures();
  if (input.type == ValueType::kF32) {
    return MakeFloat(kernels::ChooseDepthwise(cpu), plan, step, input, output, weights, flags);
  }
  return MakeFloat(*kernels::ChooseDepthwiseHalf(cpu), plan, step, input, output, weights, flags);
}

}  // namespace neonsense::engine
