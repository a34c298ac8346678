#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <xnnpack.h>

#include "engine/plan.h"

namespace neonsense::engine {

// XNNPACK's memory while a session is made on this thread. Two things go wrong in XNNPACK where the system has none
// left: it uses some of what it asked for without looking (its planner's tables, lists of buffers), and some of its
// error paths leave memory behind. So there is a reserve it gets then, and unless the session is kept, what is left is
// given back.
class CreationMemory {
 public:
  explicit CreationMemory(const Plan& plan);
  // Must outlive what was made, where that is not kept.
  ~CreationMemory();
  CreationMemory(const CreationMemory&) = delete;
  CreationMemory& operator=(const CreationMemory&) = delete;

  // Throws bad_alloc if the reserve was needed. Otherwise what was made may stay.
  void Keep();

 private:
  friend class Allocator;

  // Null where there is not enough.
  void* TakeReserved(size_t alignment, size_t size);
  bool IsReserved(const void* memory) const;
  // False where there is no memory to remember it.
  bool Remember(void* memory);
  void Forget(void* memory);
  // Where it is remembered; null where it is not.
  void** Find(void* memory);

  const size_t reserve_size_;
  const std::unique_ptr<char[]> reserve_;
  size_t reserve_used_ = 0;
  std::vector<void*> taken_;
};

// What XNNPACK takes its memory from.
const xnn_allocator& XnnpackAllocator();

}  // namespace neonsense::engine
