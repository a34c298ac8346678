#include "engine/operators/operator_executor.h"

#include <chrono>
#include <utility>

namespace neonsense::engine {

void OperatorExecutor::Add(std::unique_ptr<Operator> op, const std::string& layer) {
  entries_.push_back({std::move(op), layer});
}

void OperatorExecutor::Run() {
  using Clock = std::chrono::steady_clock;
  for (Entry& entry : entries_) {
    const Clock::time_point start = profile_ ? Clock::now() : Clock::time_point();
    entry.op->Run(pool_);
    if (!profile_) continue;
    const auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);
    entry.microseconds = static_cast<uint64_t>(elapsed.count());
  }
}

std::vector<OperatorTime> OperatorExecutor::Profile() const {
  std::vector<OperatorTime> times;
  for (const Entry& entry : entries_) times.push_back({entry.layer, entry.op->name(), entry.microseconds});
  return times;
}

}  // namespace neonsense::engine
