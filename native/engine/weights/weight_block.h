#pragma once

#include <cstddef>
#include <memory>

namespace neonsense::engine {

// Packed weights of one operator, aligned for vectors.
class WeightBlock {
 public:
  explicit WeightBlock(size_t size);
  ~WeightBlock();
  WeightBlock(const WeightBlock&) = delete;
  WeightBlock& operator=(const WeightBlock&) = delete;

  void* data() { return data_; }
  const void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  const size_t size_;
  void* const data_;
};

// Never written again: any number of sessions, on any threads, read it.
using SharedBlock = std::shared_ptr<const WeightBlock>;

// `block`, or one with the same bytes that somebody in this process has already. It lives as long as anybody has it.
SharedBlock Share(std::unique_ptr<WeightBlock> block);

// How many there are in this process.
size_t SharedBlockCount();

}  // namespace neonsense::engine
