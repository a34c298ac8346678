#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <xnnpack.h>

#include "engine/operators/step.h"
#include "engine/plan.h"

namespace neonsense::engine {

// Where a value lies.
struct Place {
  void* data = nullptr;
  ValueType type = ValueType::kF32;
  // Of values with a fixed range.
  xnn_quantization_params range{};
  // Of values that are quantized at run time.
  xnn_quantization_params* params = nullptr;

  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

// Memory for the values between the operators: pieces are used again once nobody reads what is in them. Behind each
// kSlackBytes may be read.
class Memory {
 public:
  static constexpr size_t kSlackBytes = 64;
  static_assert(kSlackBytes >= XNN_EXTRA_BYTES);

  // `elements` has each value's size. The value `input` lies at `image` already, the plan's outputs at `outputs`.
  Memory(const Plan& plan, const std::vector<Step>& steps, const std::vector<size_t>& elements, uint32_t input,
         void* image, const std::vector<float*>& outputs);

  const Place& operator[](size_t value) const { return places_[value]; }

 private:
  std::vector<Place> places_;
  std::vector<std::unique_ptr<float[]>> pieces_;
  std::vector<std::unique_ptr<xnn_quantization_params[]>> params_;
};

}  // namespace neonsense::engine
