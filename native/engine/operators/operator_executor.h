#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/executor.h"
#include "engine/operators/operator.h"

namespace neonsense::engine {

// Runs single operators, one after the other.
class OperatorExecutor : public Executor {
 public:
  // Measures each operator with `profile`.
  OperatorExecutor(pthreadpool_t pool, bool profile) : pool_(pool), profile_(profile) {}

  void Run() override;
  std::vector<OperatorTime> Profile() const override;

 protected:
  // Appends the operator that runs `layer`.
  void Add(std::unique_ptr<Operator> op, const std::string& layer);
  pthreadpool_t pool() const { return pool_; }

 private:
  struct Entry {
    std::unique_ptr<Operator> op;
    std::string layer;
    // What the last run took, where that is measured.
    uint64_t microseconds = 0;
  };

  pthreadpool_t pool_;
  bool profile_;
  std::vector<Entry> entries_;
};

}  // namespace neonsense::engine
