#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/plan.h"

namespace neonsense::engine::test {

// A plan read from a file that scripts/measure/overhead.mjs wrote, with the bytes it points to.
struct PlanFile {
  std::vector<char> bytes;
  Plan plan;
};

// Throws std::runtime_error when the file ends early.
std::unique_ptr<PlanFile> ReadPlanFile(const std::string& path);

}  // namespace neonsense::engine::test
