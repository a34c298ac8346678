#include "engine/operators/scale_operator.h"

#include <string>

#include "engine/operators/thread_parts.h"

namespace neonsense::engine {
namespace {

class ScaleOperator : public Operator {
 public:
  // `shape` is [H, W, C].
  ScaleOperator(const std::array<size_t, 3>& shape, const float* input, const float* factors, float* output,
                uint32_t flags)
      : rows_(shape[0]),
        columns_(shape[1]),
        channels_(shape[2]),
        input_(input),
        factors_(factors),
        output_(output),
        flags_(flags) {}

  void Run(pthreadpool_t pool) override {
    pthreadpool_parallelize_1d_tile_1d(
        pool,
        [](void* self, size_t row, size_t count) { static_cast<const ScaleOperator*>(self)->RunRows(row, count); },
        this, rows_, RowsAtOnce(rows_, pthreadpool_get_threads_count(pool)), flags_);
  }
  const std::string& name() const override { return name_; }

 private:
  void RunRows(size_t row, size_t count) const {
    const size_t end = (row + count) * columns_;
    for (size_t pixel = row * columns_; pixel < end; pixel++) {
      const float* input = input_ + pixel * channels_;
      float* output = output_ + pixel * channels_;
      for (size_t c = 0; c < channels_; c++) output[c] = input[c] * factors_[c];
    }
  }

  size_t rows_;
  size_t columns_;
  size_t channels_;
  const float* input_;
  const float* factors_;
  float* output_;
  uint32_t flags_;
  std::string name_ = "neonsense scale";
};

}  // namespace

bool IsScale(const Plan& plan, const Layer& layer) {
  if (layer.op != Op::kMultiply) return false;
  const Value& in = plan.values[layer.inputs[0]];
  const Value& factors = plan.values[layer.inputs[1]];
  return in.type == ValueType::kF32 && factors.type == ValueType::kF32 && in.shape[0] * in.shape[1] > 1 &&
         factors.shape == std::array<size_t, 3>{1, 1, in.shape[2]};
}

std::unique_ptr<Operator> MakeScale(const Plan& plan, const Layer& layer, const Place& input, const Place& factors,
                                    const Place& output, uint32_t flags) {
  return std::make_unique<ScaleOperator>(plan.values[layer.inputs[0]].shape, input.as<float>(), factors.as<float>(),
                                         output.as<float>(), flags);
}

}  // namespace neonsense::engine
