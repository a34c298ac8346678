#include "engine/operators/pointwise_operator.h"

#include <string>

#include "engine/cpu.h"
#include "engine/float_weights.h"
#include "engine/operators/row_tiles.h"
#include "kernels/packing.h"
#include "kernels/pointwise.h"

namespace neonsense::engine {
namespace {

using kernels::Activation;
using kernels::Half;
using kernels::PointwiseArguments;
using kernels::PointwiseShape;
using kernels::PointwiseVariant;

PointwiseShape ShapeOf(const Plan& plan, const Layer& layer) {
  const Value& in = plan.values[layer.inputs[0]];
  return {in.shape[0] * in.shape[1], in.shape[2], plan.values[layer.output].shape[2]};
}

template <typename Number>
class PointwiseOperator : public Operator {
 public:
  PointwiseOperator(const PointwiseVariant<Number>& variant, const PointwiseArguments<Number>& arguments,
                    uint32_t flags)
      : tiles_(variant.run, variant.rows, variant.channels, flags),
        arguments_(arguments),
        name_("neonsense pointwise" +
              std::string(arguments.activation.kind == Activation::Kind::kHardSwish ? " hard-swish" : "") + " (" +
              variant.name + ")") {}

  void Run(pthreadpool_t pool) override { tiles_.Run(pool, arguments_); }
  const std::string& name() const override { return name_; }

 private:
  RowTiles<PointwiseArguments<Number>> tiles_;
  PointwiseArguments<Number> arguments_;
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
