#include "image/jpeg/header.h"

#include <cstring>
#include <vector>

#include "image/jpeg/exif.h"
#include "image/jpeg/icc.h"

namespace neonsense::image::jpeg {
namespace {

enum Marker : uint8_t {
  kBaseline = 0xc0,
  kExtended = 0xc1,
  kHuffmanCodes = 0xc4,
  kStart = 0xd8,
  kScan = 0xda,
  kQuantizers = 0xdb,
  kRestartInterval = 0xdd,
  kApp0 = 0xe0,
  kApp1 = 0xe1,
  kApp2 = 0xe2,
  kApp14 = 0xee,
  kApp15 = 0xef,
  kComment = 0xfe,
};

// A marker segment without its length. Bytes past its end read as an error.
class Segment {
 public:
  Segment(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  uint8_t Byte() {
    if (at_ >= size_) throw NotTaken();
    return data_[at_++];
  }
  uint32_t Short() {
    const uint32_t high = Byte();
    return high << 8 | Byte();
  }
  bool ended() const { return at_ == size_; }
  bool StartsWith(const char* text, size_t length) const {
    return size_ >= length && std::memcmp(data_, text, length) == 0;
  }
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

void Require(bool condition) {
  if (!condition) throw NotTaken();
}

void ReadQuantizers(Segment& segment, Header* header) {
  while (!segment.ended()) {
    const uint8_t which = segment.Byte();
    Require((which >> 4) <= 1 && (which & 15) < 4);
    Quantizer& quantizer = header->quantizers[which & 15].emplace();
    for (uint16_t& factor : quantizer) {
      factor = static_cast<uint16_t>((which >> 4) == 0 ? segment.Byte() : segment.Short());
    }
  }
}

void ReadHuffmanCodes(Segment& segment, Header* header) {
  while (!segment.ended()) {
    const uint8_t which = segment.Byte();
    Require((which >> 4) <= 1 && (which & 15) < 4);
    HuffmanCode& code = ((which >> 4) == 0 ? header->dc : header->ac)[which & 15].emplace();
    size_t total = 0;
    for (uint8_t& count : code.counts) total += count = segment.Byte();
    Require(total <= code.symbols.size());
    for (size_t i = 0; i < total; i++) code.symbols[i] = segment.Byte();
  }
}

void ReadFrame(Segment& segment, Header* header) {
  Require(header->components == 0);
  Require(segment.Byte() == 8);
  header->height = segment.Short();
  header->width = segment.Short();
  // A height of 0 comes later in the file.
  Require(header->height > 0 && header->width > 0);
  const size_t components = segment.Byte();
  Require(components == 1 || components == 3);
  for (size_t i = 0; i < components; i++) {
    Component& component = header->component[i];
    component.id = segment.Byte();
    const uint8_t sampling = segment.Byte();
    component.across = sampling >> 4;
    component.down = sampling & 15;
    component.quantizer = segment.Byte();
    const uint8_t most = i == 0 ? 2 : 1;
    // Of one component alone, blocks follow each other whatever its sampling says.
    if (components == 1) {
      Require(component.across >= 1 && component.across <= 4 && component.down >= 1 && component.down <= 4);
      component.across = component.down = 1;
    }
    Require(component.across >= 1 && component.across <= most && component.down >= 1 && component.down <= most);
    Require(component.quantizer < 4);
  }
  Require(segment.ended());
  header->components = components;
  const auto& [first, second, third] = header->component;
  Require(components == 1 || !(first.id == 'R' && second.id == 'G' && third.id == 'B'));
}

// What colours mean: sRGB, or nothing that is known here. In one piece, which holds every profile of sRGB.
void CheckProfile(const Segment& segment) {
  constexpr size_t kIntroduction = 14;
  Require(segment.size() > kIntroduction && segment.data()[12] == 1 && segment.data()[13] == 1);
  Require(IsSrgb(segment.data() + kIntroduction, segment.size() - kIntroduction));
}

void ReadScan(Segment& segment, Header* header) {
  Require(header->components > 0 && segment.Byte() == header->components);
  for (size_t i = 0; i < header->components; i++) {
    Component& component = header->component[i];
    Require(segment.Byte() == component.id);
    const uint8_t codes = segment.Byte();
    component.dc = codes >> 4;
    component.ac = codes & 15;
    Require(component.dc < 4 && header->dc[component.dc] && component.ac < 4 && header->ac[component.ac]);
    Require(header->quantizers[component.quantizer].has_value());
  }
  Require(segment.Byte() == 0 && segment.Byte() == kCoefficients - 1 && segment.Byte() == 0 && segment.ended());
}

}  // namespace

void ReadHeader(ByteReader& bytes, Header* header) {
  *header = {};
  Require(bytes.Byte() == 0xff && bytes.Byte() == kStart);
  bool has_exif = false;
  std::vector<uint8_t> content;
  for (;;) {
    Require(bytes.Byte() == 0xff);
    uint8_t marker = bytes.Byte();
    while (marker == 0xff) marker = bytes.Byte();
    // Others stand alone, or belong to a file of another kind.
    const bool skipped = (marker >= kApp0 && marker <= kApp15) || marker == kComment;
    Require(skipped || marker == kBaseline || marker == kExtended || marker == kHuffmanCodes || marker == kScan ||
            marker == kQuantizers || marker == kRestartInterval);
    const uint32_t length = bytes.Short();
    Require(length >= 2);
    if (skipped && marker != kApp1 && marker != kApp2 && marker != kApp14) {
      bytes.Skip(length - 2);
      continue;
    }
    content.resize(length - 2);
    bytes.Read(content.data(), content.size());
    Segment segment(content.data(), content.size());
    switch (marker) {
      case kBaseline:
      case kExtended:
        ReadFrame(segment, header);
        break;
      case kHuffmanCodes:
        ReadHuffmanCodes(segment, header);
        break;
      case kQuantizers:
        ReadQuantizers(segment, header);
        break;
      case kRestartInterval:
        header->restart = segment.Short();
        Require(segment.ended());
        break;
      case kApp1:
        if (!segment.StartsWith("Exif\0\0", 6)) break;
        Require(!has_exif);
        has_exif = true;
        header->orientation = OrientationOf(segment.data() + 6, segment.size() - 6);
        Require(header->orientation >= 1 && header->orientation <= 8);
        break;
      case kApp2:
        if (segment.StartsWith("ICC_PROFILE\0", 12)) CheckProfile(segment);
        break;
      case kApp14:
        // Adobe's mark says what three components are: 1 is YCbCr.
        Require(!segment.StartsWith("Adobe", 5) || (segment.size() >= 12 && segment.data()[11] == 1));
        break;
      case kScan:
        ReadScan(segment, header);
        return;
    }
  }
}

}  // namespace neonsense::image::jpeg
