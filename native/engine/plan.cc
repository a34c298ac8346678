#include "engine/plan.h"

namespace neonsense::engine {

size_t ElementCount(const Value& value) { return value.shape[0] * value.shape[1] * value.shape[2]; }

const char* ToString(ValueType type) {
  switch (type) {
    case ValueType::kF32:
      return "f32";
    case ValueType::kQS8:
      return "qs8";
    case ValueType::kQU8:
      return "qu8";
    case ValueType::kQD8:
      return "qd8";
    case ValueType::kF16:
      return "f16";
  }
  return "unknown";
}

const char* ToString(Op op) {
  switch (op) {
    case Op::kConv2d:
      return "conv2d";
    case Op::kDepthwiseConv2d:
      return "depthwise-conv2d";
    case Op::kLinear:
      return "linear";
    case Op::kGlobalAveragePool:
      return "global-average-pool";
    case Op::kHardSwish:
      return "hard-swish";
    case Op::kMultiply:
      return "multiply";
    case Op::kAdd:
      return "add";
    case Op::kConvert:
      return "convert";
  }
  return "unknown";
}

}  // namespace neonsense::engine
