#pragma once

#include <cstddef>
#include <cstdint>

namespace neonsense::image::jpeg::fuzz {

// Any bytes are left to others, or read at each factor and made into a network's input. Ends the program where a row is
// missing. Gives whether they were read.
bool CheckJpeg(const uint8_t* data, size_t size);

}  // namespace neonsense::image::jpeg::fuzz
