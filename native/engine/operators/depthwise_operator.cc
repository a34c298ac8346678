#include "engine/operators/depthwise_operator.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/cpu.h"
#include "engine/float_weights.h"
#include "kernels/depthwise.h"

namespace neonsense::engine {
namespace {

using kernels::Activation;
using kernels::DepthwiseArguments;
using kernels::DepthwiseShape;
using kernels::DepthwiseVariant;

static_assert(Memory::kSlackBytes >= kernels::kReadSlack * sizeof(float));

// Channels whose weights stay in the innermost cache while all rows are computed.
constexpr size_t kChannelsAtOnce = 96;
// So that threads that are done early find more to do.
constexpr size_t kPartsForEachThread = 4;

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

class DepthwiseOperator : public Operator {
 public:
  DepthwiseOperator(const DepthwiseVariant& variant, const DepthwiseShape& shape, const Activation& activation,
                    const float* weights, const float* bias, const Place& input, const Place& output, uint32_t flags)
      : run_(variant.run),
        lanes_(variant.lanes),
        weights_(kernels::PackDepthwiseWeights(shape, variant.lanes, weights, bias)),
        arguments_{shape, activation, weights_.data(), input.as<float>(), output.as<float>()},
        flags_(flags),
        name_(NameOf(variant, shape, activation)) {}

  void Run(pthreadpool_t pool) override {
    const DepthwiseShape& shape = arguments_.shape;
    const size_t threads = pthreadpool_get_threads_count(pool);
    const size_t blocks = (shape.channels + kChannelsAtOnce - 1) / kChannelsAtOnce;
    const size_t channels = ((shape.channels + blocks - 1) / blocks + lanes_ - 1) / lanes_ * lanes_;
    const size_t parts = threads == 1 ? 1 : (threads * kPartsForEachThread + blocks - 1) / blocks;
    const size_t rows = (shape.out_height + parts - 1) / parts;
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
  static std::string NameOf(const DepthwiseVariant& variant, const DepthwiseShape& shape,
                            const Activation& activation) {
    const std::string side = std::to_string(shape.kernel);
    return "neonsense depthwise " + side + "x" + side + " stride " + std::to_string(shape.stride) +
           (activation.kind == Activation::Kind::kHardSwish ? " hard-swish" : "") + " (" + variant.name + ")";
  }

  void (*run_)(const DepthwiseArguments&, const kernels::DepthwisePart&);
  size_t lanes_;
  std::vector<float> weights_;
  DepthwiseArguments arguments_;
  uint32_t flags_;
  std::string name_;
};

}  // namespace

bool HasDepthwiseKernel(const Plan& plan, const Layer& layer) {
  if (layer.op != Op::kDepthwiseConv2d || plan.values[layer.inputs[0]].type != ValueType::kF32) return false;
  const uint32_t most = layer.kernel[0] / 2;
  return layer.kernel[0] == layer.kernel[1] && layer.stride[0] == layer.stride[1] &&
         std::all_of(layer.padding.begin(), layer.padding.end(), [&](uint32_t zeros) { return zeros <= most; }) &&
         ShapeOf(plan, layer).IsSupported();
}

std::unique_ptr<Operator> MakeDepthwise(const Plan& plan, const Step& step, const Place& input, const Place& output,
                                        uint32_t flags) {
  const Layer& layer = *step.layer;
  const Activation activation = {step.activation == nullptr ? Activation::Kind::kClamp : Activation::Kind::kHardSwish,
                                 layer.min, layer.max};
  return std::make_unique<DepthwiseOperator>(kernels::ChooseDepthwise(KernelFeatures()), ShapeOf(plan, layer),
                                             activation, FoldWeightsInPlace(layer), FiniteBias(layer), input, output,
                                             flags);
}

}  // namespace neonsense::engine
