#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <xnnpack.h>

#include "engine/weights/weight_block.h"

namespace neonsense::engine {

// What the operators of a session have packed, in the order they were made. Outlives them.
class PackedWeights {
 public:
  PackedWeights() : PackedWeights(std::vector<SharedBlock>(), /*repeats=*/false) {}
  // Of another session with the same operators, made in the same order: nothing is packed, nor are weights read.
  explicit PackedWeights(std::vector<SharedBlock> packed) : PackedWeights(std::move(packed), /*repeats=*/true) {}
  PackedWeights(const PackedWeights&) = delete;
  PackedWeights& operator=(const PackedWeights&) = delete;

  // Where XNNPACK's operators keep theirs. Not for its sparse kernels, which write into them.
  xnn_weights_cache_t cache() { return &provider_; }

  // Those of a kernel of our own, which `pack` gives as a vector.
  template <typename Pack>
  auto Keep(const Pack& pack) {
    using T = typename decltype(pack())::value_type;
    if (repeats_) return static_cast<const T*>(blocks_.at(next_++)->data());
    const auto packed = pack();
    auto block = std::make_unique<WeightBlock>(packed.size() * sizeof(T));
    std::memcpy(block->data(), packed.data(), block->size());
    return static_cast<const T*>(blocks_.emplace_back(Share(std::move(block)))->data());
  }

  // Throws bad_alloc where there was no memory for weights and XNNPACK could not be told. To be called before it is
  // asked for anything else.
  void ThrowIfOutOfMemory() const;
  // Where weights decided which operators there are: whoever has only packed ones can't tell.
  void ForbidRepeat() { can_repeat_ = false; }
  // Whether a session may be made of blocks(): all of XNNPACK's operators looked for their weights before packing them,
  // and nobody forbade it.
  bool can_repeat() const { return can_repeat_; }
  const std::vector<SharedBlock>& blocks() const { return blocks_; }

 private:
  struct Callbacks;

  PackedWeights(std::vector<SharedBlock> packed, bool repeats);

  xnn_weights_cache_provider provider_;
  std::vector<SharedBlock> blocks_;
  const bool repeats_;
  // The one that is looked for next.
  size_t next_ = 0;
  // Being packed.
  std::unique_ptr<WeightBlock> open_;
  bool looked_up_ = false;
  bool can_repeat_ = true;
  bool out_of_memory_ = false;
};

}  // namespace neonsense::engine
