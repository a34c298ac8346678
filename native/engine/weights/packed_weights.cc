#include "engine/weights/packed_weights.h"

#include <cstdint>
#include <new>

namespace neonsense::engine {
namespace {

constexpr size_t kNotFound = SIZE_MAX;

}  // namespace

// XNNPACK calls these while an operator is made. An "offset" is an index of blocks_.
struct PackedWeights::Callbacks {
  static PackedWeights& Of(void* context) { return *static_cast<PackedWeights*>(context); }

  // Its keys are addresses, which mean nothing to another session.
  static size_t LookUp(void* context, const xnn_weights_cache_look_up_key*) {
    PackedWeights& weights = Of(context);
    weights.looked_up_ = true;
    return weights.repeats_ && weights.next_ < weights.blocks_.size() ? weights.next_++ : kNotFound;
  }

  static void* Reserve(void* context, size_t size) {
    PackedWeights& weights = Of(context);
    if (!weights.looked_up_) weights.can_repeat_ = false;
    weights.looked_up_ = false;
    // There is nothing to pack.
    if (weights.repeats_) return nullptr;
    try {
      weights.open_ = std::make_unique<WeightBlock>(size);
      return weights.open_->data();
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }

  // Convolutions ask again, with a null pointer, after they have found theirs.
  static size_t Insert(void* context, const xnn_weights_cache_look_up_key*, void* packed, size_t) {
    PackedWeights& weights = Of(context);
    if (packed == nullptr) return weights.next_ - 1;
    try {
      weights.blocks_.push_back(nullptr);
      weights.blocks_.back() = Share(std::move(weights.open_));
      return weights.blocks_.size() - 1;
    } catch (const std::bad_alloc&) {
      // XNNPACK takes it for granted that there is an answer.
      weights.out_of_memory_ = true;
      return 0;
    }
  }

  static bool IsFinalized(void*) { return true; }

  static void* Address(void* context, size_t index) {
    const PackedWeights& weights = Of(context);
    if (weights.out_of_memory_) return nullptr;
    // XNNPACK's kernels only read; its types do not say so.
    return const_cast<void*>(weights.blocks_[index]->data());
  }

  // It is not XNNPACK's to delete.
  static xnn_status Delete(void*) { return xnn_status_success; }
};

PackedWeights::PackedWeights(std::vector<SharedBlock> packed, bool repeats)
    : provider_{this,
                Callbacks::LookUp,
                Callbacks::Reserve,
                Callbacks::Insert,
                Callbacks::IsFinalized,
                Callbacks::Address,
                Callbacks::Delete},
      blocks_(std::move(packed)),
      repeats_(repeats) {}

void PackedWeights::ThrowIfOutOfMemory() const {
  if (out_of_memory_) throw std::bad_alloc();
}

}  // namespace neonsense::engine
