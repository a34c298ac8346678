#pragma once

#include <cstddef>
#include <cstdint>

namespace neonsense::image::jpeg {

struct Bytes {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

// Where the bytes of a file come from, a piece at a time.
class Source {
 public:
  // The next piece, empty at the end. Valid until the next call. Throws NotTaken where it can't be read.
  virtual Bytes Next() = 0;

 protected:
  ~Source() = default;
};

// A file that lies in memory.
class MemorySource final : public Source {
 public:
  explicit MemorySource(Bytes bytes) : rest_(bytes) {}

  Bytes Next() override {
    const Bytes next = rest_;
    rest_ = {};
    return next;
  }

 private:
  Bytes rest_;
};

}  // namespace neonsense::image::jpeg
