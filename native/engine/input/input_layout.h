#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/plan.h"

namespace neonsense::engine {

// How an image lies in the graph's input.
//
// A stem convolution reads so few channels that fetching each tap costs more than its arithmetic. The image is copied
// in anyway, so where a convolution is its only reader, taps are laid side by side on the way: as RowLayout or as
// PatchLayout. Neither beside sparse kernels: XNNPACK reaches those only from a 3x3 convolution that reads 3 channels.
class InputLayout {
 public:
  // Instead of the index of a layer.
  static constexpr size_t kNoLayer = SIZE_MAX;
  // How many bytes more than bytes() may be overwritten behind them.
  static constexpr size_t kSlackBytes = 64;

  // The best one for the plan; the image as it is unless `unroll`.
  static std::unique_ptr<InputLayout> Choose(const Plan& plan, bool unroll);

  virtual ~InputLayout() = default;
  InputLayout(const InputLayout&) = delete;
  InputLayout& operator=(const InputLayout&) = delete;

  // Lays out one image. `target` holds bytes() and kSlackBytes more.
  virtual void Copy(const float* image, void* target) = 0;

  // Whether Copy lays it out as it is: who makes an image may then make it where Copy would bring it.
  bool is_plain() const { return is_plain_; }

  // What is left of a convolution's window when all of its width is in the channels.
  struct Window {
    uint32_t height = 0;
    uint32_t stride = 0;
    uint32_t top = 0;
    uint32_t bottom = 0;
  };

  // Index of the convolution that reads taps laid side by side in such a window, or kNoLayer.
  size_t unrolled() const { return unrolled_; }
  Window window() const { return window_; }
  // Index of the conversion that is done while copying, or kNoLayer. The graph has no such layer and not the value it
  // reads.
  size_t converted() const { return converted_; }
  // The plan's value that the graph takes as its input.
  uint32_t graph_input() const { return graph_input_; }
  // Whether the plan's value lies in shape(): the graph's input, and what the unrolled layer reads.
  bool Covers(size_t value) const { return value == graph_input_ || value == unrolled_input_; }
  // [H, W, C] of the graph's input.
  const std::array<size_t, 3>& shape() const { return shape_; }
  // Bytes of the graph's input.
  size_t bytes() const { return shape_[0] * shape_[1] * shape_[2] * element_bytes_; }

 protected:
  explicit InputLayout(const Plan& plan)
      : graph_input_(plan.input), unrolled_input_(plan.input), shape_(plan.values[plan.input].shape) {}

  size_t unrolled_ = kNoLayer;
  size_t converted_ = kNoLayer;
  uint32_t graph_input_;
  uint32_t unrolled_input_;
  std::array<size_t, 3> shape_;
  Window window_;
  size_t element_bytes_ = sizeof(float);
  bool is_plain_ = false;
};

}  // namespace neonsense::engine
