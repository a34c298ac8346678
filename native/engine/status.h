#pragma once

#include <string>

#include <xnnpack.h>

namespace neonsense::engine {

// Throws Error "<what> failed: <status>" unless status is success.
void CheckStatus(xnn_status status, const std::string& what);

// xnn_initialize, safe to call from any thread any number of times.
void InitializeXnnpack();

}  // namespace neonsense::engine
