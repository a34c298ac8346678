#pragma once

#include <algorithm>
#include <cstring>

#include "image/jpeg/not_taken.h"
#include "image/jpeg/source.h"

namespace neonsense::image::jpeg {

// Bytes of a source, one after the other. All throw NotTaken at its end.
class ByteReader {
 public:
  explicit ByteReader(Source& source) : source_(source) {}

  uint8_t Byte() {
    const uint8_t byte = *Rest().data;
    Skip(1);
    return byte;
  }

  uint32_t Short() {
    const uint32_t high = Byte();
    return high << 8 | Byte();
  }

  void Read(uint8_t* target, size_t count) {
    while (count > 0) {
      const Bytes rest = Rest();
      const size_t part = std::min(count, rest.size);
      std::memcpy(target, rest.data, part);
      Skip(part);
      target += part;
      count -= part;
    }
  }

  void Skip(size_t count) {
    while (count > 0) {
      const size_t part = std::min(count, Rest().size);
      rest_.data += part;
      rest_.size -= part;
      count -= part;
    }
  }

  // What can be read now, at least one byte.
  Bytes Rest() {
    if (rest_.size == 0) rest_ = source_.Next();
    if (rest_.size == 0) throw NotTaken();
    return rest_;
  }

 private:
  Source& source_;
  Bytes rest_;
};

}  // namespace neonsense::image::jpeg
