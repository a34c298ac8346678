#include "engine/operators/memory.h"

#include <algorithm>

namespace neonsense::engine {
namespace {

constexpr size_t kNone = SIZE_MAX;

// Which piece each value is given.
class Pieces {
 public:
  Pieces(const Plan& plan, const std::vector<Step>& steps, const std::vector<size_t>& bytes, uint32_t graph_input)
      : of_(plan.values.size(), kNone), last_use_(plan.values.size(), 0) {
    for (size_t i = 0; i < steps.size(); i++) {
      for (uint32_t input : steps[i].inputs()) last_use_[input] = i;
    }
    std::vector<bool> is_external(plan.values.size(), false);
    is_external[graph_input] = true;
    for (uint32_t output : plan.outputs) is_external[output] = true;
    for (size_t i = 0; i < steps.size(); i++) {
      const Step& step = steps[i];
      if (step.works_in_place()) ReleaseInputs(step, i);
      if (!is_external[step.output()]) of_[step.output()] = Take(bytes[step.output()]);
      if (!step.works_in_place()) ReleaseInputs(step, i);
    }
  }

  const std::vector<size_t>& bytes() const { return bytes_; }
  // kNone for what needs none.
  size_t of(size_t value) const { return of_[value]; }

 private:
  // The free piece that fits best; the largest grows where none fits.
  size_t Take(size_t bytes) {
    const auto better = [&](size_t a, size_t b) {
      const bool fits_a = bytes_[a] >= bytes;
      if (fits_a != (bytes_[b] >= bytes)) return fits_a;
      return fits_a ? bytes_[a] < bytes_[b] : bytes_[a] > bytes_[b];
    };
    const auto best = std::min_element(free_.begin(), free_.end(), better);
    if (best == free_.end()) {
      bytes_.push_back(bytes);
      return bytes_.size() - 1;
    }
    const size_t piece = *best;
    free_.erase(best);
    bytes_[piece] = std::max(bytes_[piece], bytes);
    return piece;
  }

  void ReleaseInputs(const Step& step, size_t index) {
    for (uint32_t input : step.inputs()) {
      if (last_use_[input] != index || of_[input] == kNone) continue;
      // A layer may read the same value twice.
      if (std::count(free_.begin(), free_.end(), of_[input]) == 0) free_.push_back(of_[input]);
    }
  }

  std::vector<size_t> of_;
  std::vector<size_t> last_use_;
  std::vector<size_t> bytes_;
  std::vector<size_t> free_;
};

}  // namespace

Memory::Memory(const Plan& plan, const std::vector<Step>& steps, const std::vector<size_t>& elements, uint32_t input,
               void* image, const std::vector<float*>& outputs)
    : places_(plan.values.size()) {
  std::vector<size_t> bytes;
  for (size_t i = 0; i < plan.values.size(); i++) {
    bytes.push_back(elements[i] * (plan.values[i].type == ValueType::kF32 ? sizeof(float) : 1));
  }
  const Pieces pieces(plan, steps, bytes, input);
  for (size_t size : pieces.bytes()) {
    pieces_.push_back(std::make_unique<float[]>((size + kSlackBytes + sizeof(float) - 1) / sizeof(float)));
  }
  for (size_t i = 0; i < places_.size(); i++) {
    places_[i].type = plan.values[i].type;
    places_[i].range = {plan.values[i].zero_point, plan.values[i].scale};
    if (pieces.of(i) == kNone) continue;
    places_[i].data = pieces_[pieces.of(i)].get();
    if (plan.values[i].type != ValueType::kQD8) continue;
    params_.push_back(std::make_unique<xnn_quantization_params[]>(1 + XNN_EXTRA_QUANTIZATION_PARAMS));
    places_[i].params = params_.back().get();
  }
  places_[input].data = image;
  for (size_t i = 0; i < outputs.size(); i++) places_[plan.outputs[i]].data = outputs[i];
}

}  // namespace neonsense::engine
