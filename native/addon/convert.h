#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <napi.h>

#include "addon/content.h"
#include "addon/taken_arrays.h"
#include "engine/plan.h"
#include "engine/session.h"

namespace neonsense::addon {

// An engine plan, what its weights were read from, and the memory both point to.
struct TakenPlan {
  engine::Plan plan;
  Content content;
  TakenArrays arrays;
};

// Takes a `Plan` of lib/plan/plan.ts with its arrays, and those of its content where there is one. Checks types and
// counts only; engine::Validate checks what they mean. Throws Napi::Error; the arrays are still JavaScript's then.
TakenPlan PlanFromJs(const Napi::Value& value, const Napi::Value& content);

// Reads `{ threads, profile, fp16, sparse }`. Throws Napi::Error.
engine::SessionOptions OptionsFromJs(const Napi::Value& value);

// A typed array of exactly `type`. Throws Napi::TypeError naming `what`.
Napi::TypedArray TypedArrayFromJs(const Napi::Value& value, napi_typedarray_type type, const std::string& what);

}  // namespace neonsense::addon
