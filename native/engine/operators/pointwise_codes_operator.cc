#include "engine/operators/pointwise_codes_operator.h"

#include <algorithm>
#include <string>
#include <vector>

#include "engine/cpu.h"
#include "engine/operators/row_tiles.h"
#include "engine/operators/xnn_operators.h"
#include "kernels/pointwise_codes.h"

namespace neonsense::engine {
namespace {

using kernels::PointwiseCodesArguments;
using kernels::PointwiseCodesVariant;
using kernels::PointwiseShape;

PointwiseShape ShapeOf(const Plan& plan, const Layer& layer) {
  const Value& in = plan.values[layer.inputs[0]];
  return {in.shape[0] * in.shape[1], in.shape[2], plan.values[layer.output].shape[2]};
}

class PointwiseCodesOperator : public Operator {
 public:
  PointwiseCodesOperator(const PointwiseCodesVariant& variant, const PointwiseCodesArguments& arguments, uint32_t flags)
      : tiles_(variant.run, variant.rows, variant.channels, flags),
        arguments_(arguments),
        name_(std::string("neonsense pointwise int8 codes (") + variant.name + ")") {}

  void Run(pthreadpool_t pool) override { tiles_.Run(pool, arguments_); }
  const std::string& name() const override { return name_; }

 private:
  RowTiles<PointwiseCodesArguments> tiles_;
  PointwiseCodesArguments arguments_;
  std::string name_;
};

bool HasSmallestWeight(const Layer& layer) {
  const Span<const int8_t>& weights = layer.weights.qc8;
  return std::find(weights.data, weights.data + weights.size, int8_t{-128}) != weights.data + weights.size;
}

// Whatever its weights.
bool FitsKernel(const Plan& plan, const Layer& layer) {
  const PointwiseCodesVariant& variant = kernels::ChoosePointwiseCodes(KernelFeatures());
  return layer.op == Op::kConv2d && layer.kernel == std::array<uint32_t, 2>{1, 1} && layer.stride == layer.kernel &&
         layer.padding == std::array<uint32_t, 4>{} && plan.values[layer.inputs[0]].type == ValueType::kQS8 &&
         variant.Supports(ShapeOf(plan, layer)) &&
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
  arguments.shape = ShapeOf(plan, layer);
  arguments.input = input.as<int8_t>();
  arguments.output = output.as<int8_t>();
  arguments.output_zero_point = static_cast<int8_t>(output.range.zero_point);
  arguments.output_min = CodeOf(layer.min, output.range);
  arguments.output_max = CodeOf(layer.max, output.range);
  arguments.weights = weights.Keep([&] {
    std::vector<float> scales(arguments.shape.out_channels);
    for (size_t c = 0; c < scales.size(); c++) {
      scales[c] = input.range.scale * layer.weights.scales.data[c] / output.range.scale;
    }
    return kernels::PackPointwiseCodes(arguments.shape, variant, static_cast<int8_t>(input.range.zero_point),
                                       {layer.weights.qc8.data, layer.bias_i32.data, scales.data()});
  });
  return std::make_unique<PointwiseCodesOperator>(variant, arguments, flags);
}

}  // namespace neonsense::engine
