#pragma once

#include <cstddef>
#include <cstdint>

namespace neonsense::image::jpeg {

// How a picture is to be turned, by the first directory of its Exif data (a TIFF file). 1, upright, where it does not
// say.
uint32_t OrientationOf(const uint8_t* tiff, size_t size);

}  // namespace neonsense::image::jpeg
