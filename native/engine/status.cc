#include "engine/status.h"

#include "engine/cpu.h"
#include "engine/creation_memory.h"
#include "engine/error.h"

namespace neonsense::engine {
namespace {

const char* ToString(xnn_status status) {
  switch (status) {
    case xnn_status_success:
      return "success";
    case xnn_status_uninitialized:
      return "XNNPACK is not initialized";
    case xnn_status_invalid_parameter:
      return "invalid parameter";
    case xnn_status_invalid_state:
      return "invalid state";
    case xnn_status_unsupported_parameter:
      return "unsupported parameter";
    case xnn_status_unsupported_hardware:
      return "this CPU is not supported";
    case xnn_status_out_of_memory:
      return "out of memory";
    default:
      return "unknown status";
  }
}

}  // namespace

void CheckStatus(xnn_status status, const std::string& what) {
  if (status != xnn_status_success) throw Error(what + " failed: " + ToString(status));
}

void InitializeXnnpack() {
  RequireKnownCpu();
  CheckStatus(xnn_initialize(&XnnpackAllocator()), "Reading the CPU's features to start XNNPACK");
}

}  // namespace neonsense::engine
