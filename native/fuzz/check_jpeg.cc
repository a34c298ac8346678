#include "fuzz/check_jpeg.h"

#include <algorithm>

#include "image/jpeg/not_taken.h"
#include "image/jpeg/reader.h"
#include "image/preprocessor.h"

namespace neonsense::image::jpeg::fuzz {
namespace {

constexpr uint32_t kSide = 12;

class CountRows final : public RowSink {
 public:
  void Put(uint32_t y, const float* row) override {
    if (y != rows_++) __builtin_trap();
    for (size_t i = 0; i < kSide * size_t{3} + kSlackFloats; i++) sum_ = sum_ + row[i];
  }
  uint32_t rows() const { return rows_; }

 private:
  uint32_t rows_ = 0;
  volatile float sum_ = 0;
};

// Pieces of a few bytes each, as a file's may end anywhere.
class Pieces final : public Source {
 public:
  Pieces(const uint8_t* data, size_t size) : rest_{data, size} {}

  Bytes Next() override {
    const Bytes piece = {rest_.data, std::min<size_t>(rest_.size, 61)};
    rest_ = {rest_.data + piece.size, rest_.size - piece.size};
    return piece;
  }

 private:
  Bytes rest_;
};

bool Check(Reader& reader, Source& source, uint32_t factor) {
  try {
    reader.Open(source);
    // Larger pictures are only slower.
    const Picture picture = reader.Read(factor, size_t{1} << 20);
    for (Fit fit : {Fit::kSquash, Fit::kCrop, Fit::kLetterbox}) {
      Preprocessing preprocessing;
      preprocessing.fit = fit;
      if (fit == Fit::kCrop) preprocessing.resize = kSide;
      preprocessing.size = {kSide, kSide};
      preprocessing.interpolation = Interpolation::kArea;
      if (ReductionOf(preprocessing, {reader.height(), reader.width()}, {2, 8}) == 0) continue;
      Preprocessor preprocessor(preprocessing);
      CountRows sink;
      preprocessor.Run(picture, sink);
      if (sink.rows() != kSide) __builtin_trap();
    }
    return true;
  } catch (const NotTaken&) {
    return false;
  }
}

}  // namespace

bool CheckJpeg(const uint8_t* data, size_t size) {
  Reader reader;
  bool taken = false;
  for (uint32_t factor : {1, 2, 4, 8}) {
    MemorySource source({data, size});
    taken = Check(reader, source, factor) || taken;
  }
  Pieces pieces(data, size);
  if (Check(reader, pieces, 8) && !taken) __builtin_trap();
  return taken;
}

}  // namespace neonsense::image::jpeg::fuzz
