#include "engine/operators/pointwise_codes_operator.h"

#include <string>
#include <vector>

#include "engine/cpu.h"
#include "engine/operators/kernel_layer.h"
#include "engine/operators/row_tiles.h"
#include "engine/operators/xnn_operators.h"
#include "kernels/pointwise_codes.h"

namespace neonsense::engine {
namespace {

using kernels::PointwiseCodesArguments;
using kernels::PointwiseCodesVariant;

class PointwiseCodesOperator : public Operator {
 public:
  PointwiseCodesOperator(const PointwiseCodesVariant& variant, const PointwiseCodesArguments& arguments, uint32_t flags)
      : tiles_(variant.run, variant.rows, variant.channels, flags),
        arguments_(arguments),
        name_(KernelName("pointwise int8 codes", {}, variant.name)) {}

  void Run(pthreadpool_t pool) override { tiles_.Run(pool, arguments_); }
  const std::string& name() const override { return name_; }

 private:
  RowTiles<PointwiseCodesArguments> tiles_;
  PointwiseCodesArguments arguments_;
  std::string name_;
};

// Whatever its weights.
bool FitsKernel(const Plan& plan, const Layer& layer) {
  const PointwiseCodesVariant& variant = kernels::ChoosePointwiseCodes(KernelFeatures());
  return IsPointwise(layer) && plan.values[layer.inputs[0]].type == ValueType::kQS8 &&
         variant.Supports(PointwiseShapeOf(plan, layer)) &&
         // XNNPACK's are faster than a plain loop.
         variant.channels > 1;
}

}  // namespace

bool HasPointwiseCodesKernel(const Plan& plan, const Layer& layer) {
  return FitsKernel(plan, layer) && !HasSmallestWeight(layer);
}

bool LacksPointwiseCodesKernelForItsWeights(const Plan& plan, const Layer& layer) {
  return FitsKernel(plan, layer) && HasSmallestWeight(layer);
}

std::unique_ptr<Operator> MakePointwiseCodes(const Plan& plan, const Layer& layer, const Place& input,
                                             const Place& output, PackedWeights& weights, uint32_t flags) {
  const PointwiseCodesVariant& variant = kernels::ChoosePointwiseCodes(KernelFeatures());
  PointwiseCodesArguments arguments;
  arguments.shape = PointwiseShapeOf(plan, layer);
  arguments.input = input.as<int8_t>();
  arguments.output = output.as<int8_t>();
  arguments.output_zero_point = static_cast<int8_t>(output.range.zero_point);
  arguments.output_min = CodeOf(layer.min, output.range);
  arguments.output_max = CodeOf(layer.max, output.range);
  arguments.weights = weights.Keep([&] {
    const std::vector<float> scales = OutputScales(layer, input, output);
    return kernels::PackPointwiseCodes(arguments.shape, variant, static_cast<int8_t>(input.range.zero_point),
                                       {layer.weights.qc8.data, layer.bias_i32.data, scales.data()});
  });
  return std::make_unique<PointwiseCodesOperator>(variant, arguments, flags);
}

}  // namespace neonsense::engine
