#pragma once

#include <napi.h>

namespace neonsense::addon {

// What the addon keeps per JavaScript environment: main thread and workers each have their own.
struct Instance {
  Napi::FunctionReference session_class;
  // The global function as it was when the addon was loaded: it moves memory between ArrayBuffers.
  Napi::FunctionReference structured_clone;
};

}  // namespace neonsense::addon
