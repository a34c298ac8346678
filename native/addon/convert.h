#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <napi.h>

#include "engine/plan.h"
#include "engine/session.h"

namespace neonsense::addon {

// An engine plan whose arrays belong to JavaScript, and the references that keep those arrays alive.
struct PinnedPlan {
  engine::Plan plan;
  std::vector<Napi::Reference<Napi::Object>> arrays;
};

// Reads a `Plan` of lib/plan/plan.ts. Checks types only; engine::Validate checks what they mean. Throws Napi::Error.
PinnedPlan PlanFromJs(const Napi::Value& value);

// Reads `{ threads, profile, fp16, sparse }`. Throws Napi::Error.
engine::SessionOptions OptionsFromJs(const Napi::Value& value);

// A typed array of exactly `type`. Throws Napi::TypeError naming `what`.
Napi::TypedArray TypedArrayFromJs(const Napi::Value& value, napi_typedarray_type type, const std::string& what);

}  // namespace neonsense::addon
