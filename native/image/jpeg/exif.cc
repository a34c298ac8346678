#include "image/jpeg/exif.h"

#include <cstring>

namespace neonsense::image::jpeg {
namespace {

constexpr uint32_t kOrientation = 274;
constexpr uint32_t kShort = 3;
constexpr size_t kEntryBytes = 12;

}  // namespace

uint32_t OrientationOf(const uint8_t* tiff, size_t size) {
  if (size < 8) return 1;
  const bool little = std::memcmp(tiff, "II*\0", 4) == 0;
  if (!little && std::memcmp(tiff, "MM\0*", 4) != 0) return 1;
  const auto number = [&](size_t at, size_t bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; i++) value = value << 8 | tiff[at + (little ? bytes - 1 - i : i)];
    return value;
  };
  const size_t directory = number(4, 4);
  if (directory > size - 2) return 1;
  const size_t count = number(directory, 2);
  for (size_t i = 0; i < count; i++) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (entry + kEntryBytes > size) break;
    if (number(entry, 2) == kOrientation && number(entry + 2, 2) == kShort && number(entry + 4, 4) == 1) {
      return number(entry + 8, 2);
    }
  }
  return 1;
}

}  // namespace neonsense::image::jpeg
