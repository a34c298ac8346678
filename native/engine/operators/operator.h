#pragma once

#include <memory>
#include <string>
#include <utility>

#include "engine/handles.h"
#include "engine/status.h"

namespace neonsense::engine {

// A step, ready to run: where it reads and writes is settled. Of XNNPACK's or of our own.
class Operator {
 public:
  virtual ~Operator() = default;
  // Throws Error.
  virtual void Run(pthreadpool_t pool) = 0;
  // For profiles.
  virtual const std::string& name() const = 0;
};

// An operator of XNNPACK's, set up.
class XnnOperator : public Operator {
 public:
  XnnOperator(OperatorHandle handle, std::string name) : handle_(std::move(handle)), name_(std::move(name)) {}

  void Run(pthreadpool_t pool) override { CheckStatus(xnn_run_operator(handle_.get(), pool), "Running the network"); }
  const std::string& name() const override { return name_; }

 private:
  OperatorHandle handle_;
  std::string name_;
};

}  // namespace neonsense::engine
