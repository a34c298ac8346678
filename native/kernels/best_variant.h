#pragma once

#include <algorithm>
#include <vector>

#include "kernels/cpu_features.h"

namespace neonsense::kernels {

// The last one that runs on this CPU, which is the best; the first runs on every CPU.
template <typename Variant>
const Variant& BestVariant(const std::vector<Variant>& variants, const CpuFeatures& cpu) {
  return *std::find_if(variants.rbegin(), variants.rend(),
                       [&](const Variant& variant) { return variant.runs_on(cpu); });
}

}  // namespace neonsense::kernels
