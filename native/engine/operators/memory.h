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

// Memory for the values between the operators, used again once nobody reads what is in it. Behind each value
// kSlackBytes may be read.
class Memory {
 public:
  static constexpr size_t kSlackBytes = 64;
  static_assert(kSlackBytes >= XNN_EXTRA_BYTES);

  // `elements` has each value's size. The value `input` lies at `image` already, the plan's outputs at `outputs`.
  Memory(const Plan& plan, const std::vector<Step>& steps, const std::vector<size_t>& elements, uint32_t input,
         void* image, const std::vector<float*>& outputs);

  const Place& operator[](size_t value) const { return places_[value]; }
  // All of it. Whatever is in it between two runs does not matter.
  Span<char> all() { return {data_, size_}; }

 private:
  std::vector<Place> places_;
  std::unique_ptr<char[]> memory_;
  char* data_ = nullptr;
  size_t size_ = 0;
  std::vector<std::unique_ptr<xnn_quantization_params[]>> params_;
};

}  // namespace neonsense::engine
