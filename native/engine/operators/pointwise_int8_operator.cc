#include "engine/operators/pointwise_int8_operator.h"

#include <string>

#include "engine/cpu.h"
#include "engine/float_weights.h"
#include "engine/operators/kernel_layer.h"
#include "engine/operators/row_tiles.h"
#include "kernels/pointwise_int8.h"

namespace neonsense::engine {
namespace {

using kernels::PointwiseInt8Arguments;
using kernels::PointwiseInt8Variant;

class PointwiseInt8Operator : public Operator {
 public:
  // What the input's codes stand for is read at `params` in each run.
  PointwiseInt8Operator(const PointwiseInt8Variant& variant, const PointwiseInt8Arguments& arguments,
                        const xnn_quantization_params* params, uint32_t flags)
      : tiles_(variant.run, variant.rows, variant.channels, flags),
        arguments_(arguments),
        params_(params),
        name_(KernelName("pointwise int8", arguments.activation, variant.name)) {}

  void Run(pthreadpool_t pool) override {
    arguments_.scale = params_->scale;
    arguments_.zero_point = params_->zero_point;
    tiles_.Run(pool, arguments_);
  }
  const std::string& name() const override { return name_; }

 private:
  RowTiles<PointwiseInt8Arguments> tiles_;
  PointwiseInt8Arguments arguments_;
  const xnn_quantization_params* params_;
  std::string name_;
};

// Whatever its weights.
bool FitsKernel(const Plan& plan, const Layer& layer, const PointwiseInt8Variant& variant) {
  return IsPointwise(layer) && plan.values[layer.inputs[0]].type == ValueType::kQD8 &&
         plan.values[layer.output].type == ValueType::kF32 && variant.Supports(PointwiseShapeOf(plan, layer)) &&
         // XNNPACK's are faster than a plain loop.
         variant.channels > 1;
}

}  // namespace

bool HasPointwiseInt8Kernel(const Plan& plan, const Layer& layer) {
  const PointwiseInt8Variant& variant = kernels::ChoosePointwiseInt8(KernelFeatures());
  return FitsKernel(plan, layer, variant) && (variant.takes_smallest || !HasSmallestWeight(layer));
}

bool LacksPointwiseInt8KernelForItsWeights(const Plan& plan, const Layer& layer) {
  const PointwiseInt8Variant& variant = kernels::ChoosePointwiseInt8(KernelFeatures());
  return FitsKernel(plan, layer, variant) && !variant.takes_smallest && HasSmallestWeight(layer);
}

std::unique_ptr<Operator> MakePointwiseInt8(const Plan& plan, const Step& step, const Place& input, const Place& output,
                                            PackedWeights& weights, uint32_t flags) {
  const Layer& layer = *step.layer;
  const PointwiseInt8Variant& variant = kernels::ChoosePointwiseInt8(KernelFeatures());
  PointwiseInt8Arguments arguments;
  arguments.shape = PointwiseShapeOf(plan, layer);
  arguments.activation = ActivationOf(step);
  arguments.input = input.as<int8_t>();
  arguments.output = output.as<float>();
  arguments.weights = weights.Keep([&] {
    return kernels::PackPointwiseInt8(arguments.shape, variant,
                                      {layer.weights.qc8.data, layer.weights.scales.data, FiniteBias(layer)});
  });
  return std::make_unique<PointwiseInt8Operator>(variant, arguments, input.params, flags);
}

}  // namespace neonsense::engine
