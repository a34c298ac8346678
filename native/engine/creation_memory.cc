#include "engine/creation_memory.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>

#ifdef _WIN32
#include <malloc.h>
#endif

namespace neonsense::engine {
namespace {

#ifdef _WIN32
// Aligned memory is given back in a way of its own there; with one kind for all, nobody has to know which it was.
void* SystemAllocate(size_t alignment, size_t size) { return _aligned_malloc(size, alignment); }
void* SystemAllocate(size_t size) { return _aligned_malloc(size, alignof(std::max_align_t)); }
void* SystemReallocate(void* old, size_t size) { return _aligned_realloc(old, size, alignof(std::max_align_t)); }
void SystemRelease(void* memory) { _aligned_free(memory); }
#else
void* SystemAllocate(size_t alignment, size_t size) {
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}
void* SystemAllocate(size_t size) { return std::malloc(size); }
void* SystemReallocate(void* old, size_t size) { return std::realloc(old, size); }
void SystemRelease(void* memory) { std::free(memory); }
#endif

// XNNPACK makes some values and operators of its own for each of a plan's: weights, biases, conversions. Its planner
// counts in three tables, of less than 128 bytes together for each.
constexpr size_t kReserveForEach = 16 * 128;

thread_local CreationMemory* current = nullptr;

}  // namespace

// The functions XNNPACK calls. Outside of a creation they are the system's.
class Allocator {
 public:
  static void* Allocate(void*, size_t size) {
    void* const memory = Remembered(SystemAllocate(size));
    return memory != nullptr || current == nullptr ? memory : current->TakeReserved(alignof(std::max_align_t), size);
  }

  static void* AllocateAligned(void*, size_t alignment, size_t size) {
    void* const memory = Remembered(SystemAllocate(alignment, size));
    return memory != nullptr || current == nullptr ? memory : current->TakeReserved(alignment, size);
  }

  static void* Reallocate(void* context, void* old, size_t size) {
    if (old == nullptr) return Allocate(context, size);
    // XNNPACK looks what it gets where there was something before.
    if (current != nullptr && current->IsReserved(old)) return nullptr;
    if (current == nullptr) return SystemReallocate(old, size);
    // Looked up before it may be gone.
    void** const place = current->Find(old);
    void* const memory = SystemReallocate(old, size);
    if (memory != nullptr && place != nullptr) *place = memory;
    return memory;
  }

  static void Release(void*, void* memory) {
    if (current != nullptr) {
      if (current->IsReserved(memory)) return;
      current->Forget(memory);
    }
    SystemRelease(memory);
  }

 private:
  static void* Remembered(void* memory) {
    if (memory == nullptr || current == nullptr || current->Remember(memory)) return memory;
    SystemRelease(memory);
    return nullptr;
  }
};

CreationMemory::CreationMemory(const Plan& plan)
    : reserve_size_((plan.values.size() + plan.layers.size()) * kReserveForEach), reserve_(new char[reserve_size_]) {
  current = this;
}

CreationMemory::~CreationMemory() {
  current = nullptr;
  for (void* memory : taken_) SystemRelease(memory);
}

void CreationMemory::Keep() {
  if (reserve_used_ != 0) throw std::bad_alloc();
  taken_.clear();
}

void* CreationMemory::TakeReserved(size_t alignment, size_t size) {
  const auto start = reinterpret_cast<uintptr_t>(reserve_.get());
  const size_t begin = ((start + reserve_used_ + alignment - 1) & ~(alignment - 1)) - start;
  if (begin > reserve_size_ || size > reserve_size_ - begin) return nullptr;
  // Never empty, so that Keep sees it.
  reserve_used_ = begin + std::max<size_t>(size, 1);
  return reserve_.get() + begin;
}

bool CreationMemory::IsReserved(const void* memory) const {
  const auto start = reinterpret_cast<uintptr_t>(reserve_.get());
  const auto at = reinterpret_cast<uintptr_t>(memory);
  return at >= start && at < start + reserve_size_;
}

bool CreationMemory::Remember(void* memory) {
  try {
    taken_.push_back(memory);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void** CreationMemory::Find(void* memory) {
  const auto place = std::find(taken_.rbegin(), taken_.rend(), memory);
  return place == taken_.rend() ? nullptr : &*place;
}

void CreationMemory::Forget(void* memory) {
  void** const place = Find(memory);
  if (place == nullptr) return;
  *place = taken_.back();
  taken_.pop_back();
}

const xnn_allocator& XnnpackAllocator() {
  static constexpr xnn_allocator kAllocator = {
      /*context=*/nullptr, Allocator::Allocate,        Allocator::Reallocate,
      Allocator::Release,  Allocator::AllocateAligned, /*aligned_deallocate=*/Allocator::Release};
  return kAllocator;
}

}  // namespace neonsense::engine
