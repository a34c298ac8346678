#include "engine/operators/pointwise_operator.h"

#include <string>

#include "engine/cpu.h"
#include "engine/float_weights.h"
#include "engine/operators/kernel_layer.h"
#include "engine/operators/row_tiles.h"
#include "kernels/packing.h"
#include "kernels/pointwise.h"

namespace neonsense::engine {
namespace {

using kernels::Half;
using kernels::PointwiseArguments;
using kernels::PointwiseVariant;

template <typename Number>
class PointwiseOperator : public Operator {
 public:
  PointwiseOperator(const PointwiseVariant<Number>& variant, const PointwiseArguments<Number>& arguments,
                    uint32_t flags)
      : tiles_(variant.run, variant.rows, variant.channels, flags),
        arguments_(arguments),
        name_(KernelName("pointwise", arguments.activation, variant.name)) {}

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
  arguments.shape = PointwiseShapeOf(plan, layer);
  arguments.activation = ActivationOf(step);
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
  if (!IsPointwise(layer)) return false;
  const size_t rows = PointwiseShapeOf(plan, layer).rows;
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
