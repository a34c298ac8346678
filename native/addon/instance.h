#pragma once

#include <napi.h>

namespace neonsense::addon {

// What the addon keeps per JavaScript environment: main thread and workers each have their own.
struct Instance {
  Napi::FunctionReference session_class;
};

}  // namespace neonsense::addon
