#include "engine/weights/weight_block.h"

#include <cstring>
#include <map>
#include <mutex>
#include <new>

#ifndef _WIN32
#include <sys/mman.h>
#endif

namespace neonsense::engine {
namespace {

constexpr std::align_val_t kAlignment{64};

#ifdef _WIN32
void* Allocate(size_t size) { return ::operator new(size, kAlignment); }
void Free(void* memory, size_t) { ::operator delete(memory, kAlignment); }
#else
// Pages of their own go back to the system at once. malloc keeps what it is given back, and the larger it was, the more
// it keeps from then on.
constexpr size_t kLeastForPages = size_t{64} << 10;

void* Allocate(size_t size) {
  if (size < kLeastForPages) return ::operator new(size, kAlignment);
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

void Free(void* memory, size_t size) {
  if (size < kLeastForPages) {
    ::operator delete(memory, kAlignment);
  } else {
    munmap(memory, size);
  }
}
#endif

// Blocks of different layers have different sizes, or differ in their first bytes.
struct ByBytes {
  bool operator()(const WeightBlock* a, const WeightBlock* b) const {
    if (a == b) return false;
    if (a->size() != b->size()) return a->size() < b->size();
    return std::memcmp(a->data(), b->data(), a->size()) < 0;
  }
};

struct Registry {
  std::mutex mutex;
  // Holds no share of them.
  std::map<const WeightBlock*, std::weak_ptr<const WeightBlock>, ByBytes> blocks;
};

// For all JavaScript environments of the process. Never destroyed: while the process ends, other threads may still be
// about to give their blocks back.
Registry& ProcessRegistry() {
  static Registry* const registry = new Registry;
  return *registry;
}

// The last share of a block is gone.
void Retire(const WeightBlock* block) {
  {
    Registry& registry = ProcessRegistry();
    const std::lock_guard<std::mutex> lock(registry.mutex);
    const auto entry = registry.blocks.find(block);
    // Another one may have taken its place meanwhile, or have been there before it.
    if (entry != registry.blocks.end() && entry->first == block) registry.blocks.erase(entry);
  }
  delete block;
}

}  // namespace

WeightBlock::WeightBlock(size_t size) : size_(size), data_(Allocate(size)) {}

WeightBlock::~WeightBlock() { Free(data_, size_); }

SharedBlock Share(std::unique_ptr<WeightBlock> block) {
  // Before the lock, because Retire takes it.
  SharedBlock own(block.release(), Retire);
  Registry& registry = ProcessRegistry();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  const auto [entry, is_new] = registry.blocks.try_emplace(own.get(), own);
  if (is_new) return own;
  if (SharedBlock other = entry->second.lock()) return other;
  // Its last share is gone, and whoever had it waits for the lock.
  registry.blocks.erase(entry);
  registry.blocks.emplace(own.get(), own);
  return own;
}

size_t SharedBlockCount() {
  Registry& registry = ProcessRegistry();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  return registry.blocks.size();
}

}  // namespace neonsense::engine
