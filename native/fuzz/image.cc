// Any layout, preprocessing and pixels are refused or made into the network's input: never a read out of bounds, an
// overflow, or a row too few.
#include <cstring>
#include <memory>

#include "image/error.h"
#include "image/preprocessor.h"

namespace neonsense::image::fuzz {
namespace {

// Takes values off the front; zeros once there are no more bytes.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  template <typename T>
  T Take() {
    T value{};
    const size_t length = std::min(sizeof(T), size_);
    std::memcpy(&value, data_, length);
    data_ += length;
    size_ -= length;
    return value;
  }
  // Mostly small numbers, sometimes any.
  uint32_t TakeSize(uint32_t usual) {
    const uint8_t kind = Take<uint8_t>();
    return kind < 250 ? Take<uint16_t>() % (usual + 1) : Take<uint32_t>();
  }
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  const uint8_t* data_;
  size_t size_;
};

Preprocessing TakePreprocessing(Bytes& bytes) {
  // Larger inputs are only slower.
  constexpr uint32_t kUsual = 40;
  Preprocessing p;
  p.fit = static_cast<Fit>(bytes.Take<uint8_t>() % 3);
  p.interpolation = static_cast<Interpolation>(bytes.Take<uint8_t>() % 3);
  p.antialias = bytes.Take<uint8_t>() % 2 == 1;
  p.size = {bytes.Take<uint8_t>() % kUsual, bytes.Take<uint8_t>() % kUsual};
  if (bytes.Take<uint8_t>() % 2 == 1) p.resize = bytes.TakeSize(kUsual * 2);
  if (bytes.Take<uint8_t>() % 2 == 1) p.reduce = Sides{bytes.TakeSize(kUsual), bytes.TakeSize(kUsual)};
  return p;
}

Layout TakeLayout(Bytes& bytes) {
  Layout layout;
  layout.format = static_cast<PixelFormat>(bytes.Take<uint8_t>() % 9);
  layout.matrix = static_cast<Matrix>(bytes.Take<uint8_t>() % 2);
  layout.range = static_cast<Range>(bytes.Take<uint8_t>() % 2);
  layout.width = bytes.TakeSize(300);
  layout.height = bytes.TakeSize(300);
  if (bytes.Take<uint8_t>() % 2 == 0) {
    layout.region = {0, 0, layout.width, layout.height};
  } else {
    layout.region = {bytes.TakeSize(300), bytes.TakeSize(300), bytes.TakeSize(300), bytes.TakeSize(300)};
  }
  size_t offset = 0;
  for (size_t plane = 0; plane < PlaneCount(layout.format); plane++) {
    const uint8_t kind = bytes.Take<uint8_t>();
    const size_t tight = RowBytes(layout, plane);
    layout.strides[plane] = kind < 250 ? tight + kind % 4 : bytes.Take<uint64_t>();
    layout.offsets[plane] = kind % 2 == 0 ? offset : bytes.Take<uint16_t>();
    offset += layout.strides[plane] * RowCount(layout, plane);
  }
  return layout;
}

class CountRows final : public RowSink {
 public:
  explicit CountRows(size_t row) : row_(row) {}
  void Put(uint32_t y, const float* row) override {
    if (y != rows_++) __builtin_trap();
    for (size_t i = 0; i < row_ + kSlackFloats; i++) sum_ = sum_ + row[i];
  }
  uint32_t rows() const { return rows_; }

 private:
  size_t row_;
  uint32_t rows_ = 0;
  volatile float sum_ = 0;
};

void Check(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  const Preprocessing preprocessing = TakePreprocessing(bytes);
  const Layout layout = TakeLayout(bytes);
  const size_t repeats = bytes.Take<uint8_t>() % 4;
  try {
    Preprocessor preprocessor(preprocessing);
    // Memory of exactly this size, so that a byte too far is seen.
    const size_t length = bytes.size() << repeats;
    const auto pixels = std::make_unique<uint8_t[]>(length);
    for (size_t i = 0; i < length; i++) pixels[i] = bytes.data()[i >> repeats];
    const Picture picture = Picture::View(pixels.get(), length, layout);
    for (int round = 0; round < 2; round++) {
      CountRows sink(preprocessing.size[1] * size_t{3});
      preprocessor.Run(picture, sink);
      if (sink.rows() != preprocessing.size[0]) __builtin_trap();
    }
  } catch (const Error&) {
  }
}

}  // namespace
}  // namespace neonsense::image::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  neonsense::image::fuzz::Check(data, size);
  return 0;
}
