#include "image/jpeg/scan_bits.h"

namespace neonsense::image::jpeg {
namespace {

constexpr size_t kWindowBytes = size_t{32} << 10;
// What may be read past the window's end before that is noticed.
constexpr size_t kSlackBytes = ScanBits::kMostMcuBytes + sizeof(uint64_t);

constexpr uint8_t kMark = 0xff;

}  // namespace

void ScanBits::Start(ByteReader& bytes) {
  bytes_ = &bytes;
  if (!window_) window_ = std::make_unique<uint8_t[]>(kWindowBytes + kSlackBytes);
  end_ = window_.get();
  marker_ = 0;
  Append();
}

void ScanBits::Fill(Bits& bits) {
  if (marker_ != 0) {
    if (Left(bits) < 0) throw NotTaken();
    return;
  }
  const size_t kept = static_cast<size_t>(end_ - bits.next);
  std::memmove(window_.get(), bits.next, kept);
  bits.next = window_.get();
  end_ = window_.get() + kept;
  // What stands below the bits that count may have come from behind the end.
  if (bits.count == 0) {
    bits.bits = 0;
  } else {
    bits.bits &= ~uint64_t{0} << (64 - bits.count);
  }
  Append();
}

void ScanBits::Append() {
  uint8_t* const full = window_.get() + kWindowBytes;
  while (end_ < full && marker_ == 0) {
    const Bytes rest = bytes_->Rest();
    const size_t most = std::min(rest.size, static_cast<size_t>(full - end_));
    const void* const mark = std::memchr(rest.data, kMark, most);
    const size_t plain = mark == nullptr ? most : static_cast<size_t>(static_cast<const uint8_t*>(mark) - rest.data);
    std::memcpy(end_, rest.data, plain);
    end_ += plain;
    bytes_->Skip(plain);
    if (mark == nullptr) continue;
    bytes_->Skip(1);
    uint8_t behind = bytes_->Byte();
    while (behind == kMark) behind = bytes_->Byte();
    if (behind == 0) {
      *end_++ = kMark;
    } else {
      marker_ = behind;
    }
  }
}

uint8_t ScanBits::Finish(Bits& bits) {
  Fill(bits);
  const int64_t left = Left(bits);
  if (marker_ == 0 || left < 0 || left >= 8) throw NotTaken();
  return marker_;
}

}  // namespace neonsense::image::jpeg
