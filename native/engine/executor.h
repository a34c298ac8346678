#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/plan.h"

namespace neonsense::engine {

struct OperatorTime {
  // The plan's layer, empty where XNNPACK's operators no longer correspond to layers one to one.
  std::string layer;
  // What the operator is called.
  std::string name;
  uint64_t microseconds = 0;
};

// What runs a packed plan. It has been told at its creation where the image lies and where its outputs go.
class Executor {
 public:
  Executor() = default;
  virtual ~Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // One image. Throws Error.
  virtual void Run() = 0;
  // Memory of Run's that others may use between two runs.
  virtual Span<char> Scratch() { return {}; }
  // The last image's operators, in the order they ran. Only where it was created to measure them.
  virtual std::vector<OperatorTime> Profile() const = 0;
};

}  // namespace neonsense::engine
