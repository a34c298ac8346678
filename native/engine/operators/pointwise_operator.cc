#include "engine/operators/pointwise_operator.h"

#include <algorithm>
#include <string>

#include "engine/cpu.h"
#include "engine/float_weights.h"
#include "kernels/packing.h"
#include "kernels/pointwise.h"

namespace neonsense::engine {
namespace {

using kernels::Activation;
using kernels::Half;
using kernels::PointwiseArguments;
using kernels::PointwiseShape;
using kernels::PointwiseVariant;

// So that threads that are done early find more to do.
constexpr size_t kPartsForEachThread = 4;

PointwiseShape ShapeOf(const Plan& plan, const Layer& layer) {
  const Value& in = plan.values[layer.inputs[0]];
  return {in.shape[0] * in.shape[1], in.shape[2], plan.values[layer.output].shape[2]};
}

template <typename Number>
class PointwiseOperator : public Operator {
 public:
  PointwiseOperator(const PointwiseVariant<Number>& variant, const PointwiseArguments<Number>& arguments,
                    uint32_t flags)
      : variant_(variant),
        arguments_(arguments),
        flags_(flags),
        name_("neonsense pointwise" +
              std::string(arguments.activation.kind == Activation::Kind::kHardSwish ? " hard-swish" : "") + " (" +
              variant.name + ")") {}

  void Run(pthreadpool_t pool) override {
    const PointwiseShape& shape = arguments_.shape;
    // What is left of the rows joins the last tile, which reaches back over rows of its own part.
    const size_t tiles = shape.rows / variant_.rows;
    const size_t threads = pthreadpool_get_threads_count(pool);
    const size_t parts = threads == 1 ? 1 : threads * kPartsForEachThread;
    const size_t tiles_at_once = (tiles + parts - 1) / parts;
    // Where there are few rows, channels are shared too.
    const size_t groups = (shape.out_channels + variant_.channels - 1) / variant_.channels;
    const size_t row_parts = (tiles + tiles_at_once - 1) / tiles_at_once;
    const size_t channel_parts = std::min(groups, (parts + row_parts - 1) / row_parts);
    const size_t channels_at_once = (groups + channel_parts - 1) / channel_parts * variant_.channels;
    pthreadpool_parallelize_2d_tile_2d(
        pool,
        [](void* self, size_t tile, size_t channel, size_t tile_count, size_t channel_count) {
          static_cast<const PointwiseOperator*>(self)->RunPart(tile, tile_count, channel, channel_count);
        },
        this, tiles, shape.out_channels, tiles_at_once, channels_at_once, flags_);
  }
  const std::string& name() const override { return name_; }

 private:
  void RunPart(size_t tile, size_t tile_count, size_t channel, size_t channel_count) const {
    const size_t rows = arguments_.shape.rows;
    const size_t end = tile + tile_count;
    const bool is_last = end == rows / variant_.rows;
    variant_.run(arguments_,
                 {tile * variant_.rows, is_last ? rows : end * variant_.rows, channel, channel + channel_count});
  }

  PointwiseVariant<Number> variant_;
  PointwiseArguments<Number> arguments_;
  uint32_t flags_;
  std::string name_;
};

template <typename Number>
std::unique_ptr<Operator> Make(const PointwiseVariant<Number>& variant, const Plan& plan, const Step& step,
                               const Place& input, const Place& output, PackedWeights& weights, uint32_t flags) {
  const Layer& layer = *step.layer;
  PointwiseArguments<Number> arguments;
  arguments.shape = ShapeOf(plan, layer);
  arguments.activation = {step.activation != nullptr ? Activation::Kind::kHardSwish : Activation::Kind::kClamp,
                          layer.min, layer.max};
  arguments.input = input.as<Number>();
  arguments.output = output.as<Number>();
  arguments.weights = weights.Keep([&] {
    return RoundedTo<Number>(kernels::PackChannels(arguments.shape.out_channels, arguments.shape.in_channels,
                                                   variant.channels, FoldWeightsInPlace(layer), FiniteBias(layer)));
  });
  return std::make_unique<PointwiseOperator<Number>>(variant, arguments, flags);
}

}  // namespace

bool HasPointwiseKernel(const Plan& plan, const Layer& layer) {
  if (layer.op != Op::kConv2d || layer.kernel != std::array<uint32_t, 2>{1, 1} || layer.stride != layer.kernel ||
      layer.padding != std::array<uint32_t, 4>{}) {
    return false;
  }
  const size_t rows = ShapeOf(plan, layer).rows;
  switch (plan.values[layer.inputs[0]].type) {
    case ValueType::kF32: {
      // XNNPACK's own are faster than a plain loop.
      const PointwiseVariant<float>& variant = kernels::ChoosePointwise(KernelFeatures());
      return variant.channels > 1 && rows >= variant.rows;
    }
    case ValueType::kF16: {
      const PointwiseVariant<Half>* variant = kernels::ChoosePointwiseHalf(KernelFeatures());
      return variant != nullptr && rows >= variant->rows;
    }
    case ValueType::kQS8:
    case ValueType::kQU8:
    case ValueType::kQD8:
      break;
  }
  return false;
}

std::unique_ptr<Operator> MakePointwise(const Plan& plan, const Step& step, const Place& input, const Place& output,
                                        PackedWeights& weights, uint32_t flags) {
  const kernels::CpuFeatures cpu = KernelFeatures();
  if (input.type == ValueType::kF32) {
    return Make(kernels::ChoosePointwise(cpu), plan, step, input, output, weights, flags);
  }
  return Make(*kernels::ChoosePointwiseHalf(cpu), plan, step, input, output, weights, flags);
}

}  // namespace neonsense::engine
