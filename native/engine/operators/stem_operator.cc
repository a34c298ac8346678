#include "engine/operators/stem_operator.h"

#include <algorithm>
#include <string>

#include "engine/cpu.h"
#include "engine/float_weights.h"
#include "engine/operators/kernel_layer.h"
#include "engine/operators/thread_parts.h"
#include "kernels/packing.h"
#include "kernels/stem.h"

namespace neonsense::engine {
namespace {

using kernels::Half;
using kernels::StemArguments;
using kernels::StemShape;
using kernels::StemVariant;

StemShape ShapeOf(const Plan& plan, const Layer& layer) {
  const Value& in = plan.values[layer.inputs[0]];
  const Value& out = plan.values[layer.output];
  StemShape shape;
  shape.height = in.shape[0];
  shape.width = in.shape[1];
  shape.out_height = out.shape[0];
  shape.out_width = out.shape[1];
  shape.out_channels = out.shape[2];
  shape.top = layer.padding[0];
  shape.left = layer.padding[3];
  return shape;
}

template <typename Number>
class StemOperator : public Operator {
 public:
  StemOperator(const StemVariant<Number>& variant, const StemArguments<Number>& arguments, uint32_t flags)
      : run_(variant.run),
        arguments_(arguments),
        flags_(flags),
        name_(KernelName("stem", arguments.activation, variant.name)) {}

  void Run(pthreadpool_t pool) override {
    const size_t rows = arguments_.shape.out_height;
    pthreadpool_parallelize_1d_tile_1d(
        pool,
        [](void* self, size_t row, size_t count) {
          const auto* stem = static_cast<const StemOperator*>(self);
          stem->run_(stem->arguments_, row, row + count);
        },
        this, rows, RowsAtOnce(rows, pthreadpool_get_threads_count(pool)), flags_);
  }
  const std::string& name() const override { return name_; }

 private:
  void (*run_)(const StemArguments<Number>&, size_t, size_t);
  StemArguments<Number> arguments_;
  uint32_t flags_;
  std::string name_;
};

template <typename Number>
std::unique_ptr<Operator> Make(const StemVariant<Number>& variant, const Plan& plan, const Step& step,
                               const Place& input, const Place& output, PackedWeights& weights, uint32_t flags) {
  const Layer& layer = *step.layer;
  StemArguments<Number> arguments;
  arguments.shape = ShapeOf(plan, layer);
  arguments.activation = ActivationOf(step);
  arguments.input = input.as<float>();
  arguments.output = output.as<Number>();
  arguments.weights = weights.Keep([&] {
    return RoundedTo<Number>(kernels::PackChannels(arguments.shape.out_channels, StemShape::kTaps, variant.lanes,
                                                   FoldWeightsInPlace(layer), FiniteBias(layer)));
  });
  return std::make_unique<StemOperator<Number>>(variant, arguments, flags);
}

// Whether there is a kernel that gives such numbers, other than a plain loop: XNNPACK's are faster than that.
bool GivesType(ValueType type) {
  if (type == ValueType::kF16) return kernels::ChooseStemHalf(KernelFeatures()) != nullptr;
  return type == ValueType::kF32 && kernels::ChooseStem(KernelFeatures()).lanes > 1;
}

}  // namespace

bool HasStemKernel(const Plan& plan, const Layer& layer) {
  const Value& in = plan.values[layer.inputs[0]];
  return layer.op == Op::kConv2d && in.type == ValueType::kF32 && in.shape[2] == StemShape::kChannels &&
         layer.kernel == std::array<uint32_t, 2>{StemShape::kKernel, StemShape::kKernel} &&
         layer.stride == std::array<uint32_t, 2>{StemShape::kStride, StemShape::kStride} &&
         std::all_of(layer.padding.begin(), layer.padding.end(), [](uint32_t zeros) { return zeros <= 1; }) &&
         ShapeOf(plan, layer).IsSupported() && GivesType(plan.values[layer.output].type);
}

std::unique_ptr<Operator> MakeStem(const Plan& plan, const Step& step, const Place& input, const Place& output,
                                   PackedWeights& weights, uint32_t flags) {
  const kernels::CpuFeatures cpu = KernelFeatures();
  if (output.type == ValueType::kF32) {
    return Make(kernels::ChooseStem(cpu), plan, step, input, output, weights, flags);
  }
  return Make(*kernels::ChooseStemHalf(cpu), plan, step, input, output, weights, flags);
}

}  // namespace neonsense::engine
