#pragma once

#include <cstdint>

#include "engine/handles.h"

namespace neonsense::engine {

// A pool whose threads have all been started; the calling thread counts as one of them. Throws Error where the system
// starts fewer. To destroy it is to wait for its threads to end.
ThreadPoolHandle CreateThreadPool(uint32_t threads);

}  // namespace neonsense::engine
