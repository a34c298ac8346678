#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/plan.h"

namespace neonsense::engine {

// The byte form of a plan, for programs that have no JavaScript: benchmarks, tests, fuzz targets. lib/plan/planBytes.ts
// writes it too.
//
// Little-endian 32-bit words. A list is its length in elements, then its elements; an array of numbers or characters
// starts at a multiple of 8 bytes and is padded to whole words. Enumerations are counted in the order of plan.h.
//
//   plan:   list of value, list of layer, input, array u32 of outputs
//   value:  array char of name, shape [3], type, scale f32, zero point
//   layer:  op, array char of name, array u32 of inputs, output; and for those with weights:
//           kernel [2], stride [2], padding [4], weight type, arrays f32, factors f64, qc8, scales f32, qu8, scale f32,
//           zero point, array f32 bias, array i32 bias, min f32, max f32

// Spans of the plan point into `bytes`, which must be aligned to 8 bytes, and which packing the plan changes. Checks
// lengths and enumerations; what the fields mean is for Validate to check. Throws Error.
Plan ReadPlan(uint8_t* bytes, size_t size);

std::vector<uint8_t> WritePlan(const Plan& plan);

}  // namespace neonsense::engine
