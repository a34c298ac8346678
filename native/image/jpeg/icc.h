#pragma once

#include <cstddef>
#include <cstdint>

namespace neonsense::image::jpeg {

// Whether an ICC profile says no more than that colours are sRGB: three primaries and curves near those of IEC
// 61966-2-1, and no tables of its own.
bool IsSrgb(const uint8_t* profile, size_t size);

}  // namespace neonsense::image::jpeg
