#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "image/picture.h"

namespace neonsense::image {

// Rows of samples of a picture of PixelFormat::kSampledYuv as 8-bit colours, four bytes each of which the last means
// nothing. Between chroma of half the resolution lies what libjpeg's decoders put there, to the last bit: each sample
// counts three parts, and the next one on the pixel's side one part.
class SampledRows {
 public:
  // Of columns `first` to `end`, in samples of luma.
  void Start(const Picture& picture, uint32_t first, uint32_t end);
  // [end - first, 4]; room for kSlackBytes more.
  void Convert(uint32_t y, uint8_t* output);

  static constexpr size_t kSlackBytes = 32;

 private:
  // Samples of a plane of chroma that the picture has.
  struct Chroma {
    uint32_t first_column = 0, end_column = 0, first_row = 0, end_row = 0;
    bool halved_across = false, halved_down = false;
  };

  // A row of chroma at the resolution of luma, from column `first_` on.
  const uint8_t* ChromaRow(size_t plane, uint32_t y);

  const Picture* picture_ = nullptr;
  uint32_t first_ = 0, end_ = 0;
  Chroma chroma_;
  std::vector<uint16_t> sums_;
  std::vector<uint8_t> rows_[2];
};

}  // namespace neonsense::image
