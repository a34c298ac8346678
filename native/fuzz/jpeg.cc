// Any bytes are read as a JPEG file or left to others: never a read out of bounds, an overflow, or more work than their
// length allows.
#include "fuzz/check_jpeg.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  neonsense::image::jpeg::fuzz::CheckJpeg(data, size);
  return 0;
}
