// Streams that zlib made, whole and damaged.
#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "inflate/inflate.h"

namespace neonsense {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes FromHex(const std::string& hex) {
  Bytes bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

// In memory of exactly its size, so that a sanitizer sees what is written or read beyond.
bool Unpacks(const Bytes& packed, size_t size, Bytes* result = nullptr) {
  const auto in = std::make_unique<uint8_t[]>(packed.size());
  std::copy(packed.begin(), packed.end(), in.get());
  const auto out = std::make_unique<uint8_t[]>(size);
  if (!inflate::Inflate(in.get(), packed.size(), out.get(), size)) return false;
  if (result != nullptr) result->assign(out.get(), out.get() + size);
  return true;
}

struct Stream {
  const char* name;
  const char* packed;
  // A text, repeated.
  const char* text;
  size_t times;
};

Bytes ContentOf(const Stream& stream) {
  Bytes content;
  for (size_t i = 0; i < stream.times; i++) {
    for (const char* at = stream.text; *at != 0; at++) content.push_back(static_cast<uint8_t>(*at));
  }
  return content;
}

// Python's zlib.compressobj(level, wbits=-15, strategy=...) of these texts.
const Stream kStreams[] = {
    {"Nothing", "0300", "", 0},
    {"Stored", "010c00f3ff746f2062652073746f726564", "to be stored", 1},
    {"Fixed", "4b4c4a4e84a29444243600", "abcabcabcabd", 2},
    {"OwnCodes",
     "2d8f810d44210c428781b4eabf7f4b75ff1dee612e265a5b28b0a4f6b66bca161f8eac65794c3d4c66f51d9847a31969"
     "cbbe782f17f7a11fb65fee45a3c499ea39903e7b76d373b05dec86eabfa278c339c32e23d83018217f40debaa2f63a7c"
     "b318236bd4030642ac6054cf4a35df847176c667e0911852b8af729694aefd988e9504384d940df776ae339393e085a9"
     "48fd00",
     "(##'$)$$&c&$$###'#'##$#($#$c$#'#c$&cc('##'#'$'###c#cc##)#$$$$###$($&##$*#c####'$-###(##$&#&#&c&'c*'##,)c)'#$&$$&#"
     "#'&$#$$##$c&$$####c&$##(#*c$($$#c$''##&$$c$#*$#$##&$$&$$$$-$$$&#$#&#$'#(c#'c$c$$#c#$$$'#c#+(#$$$c.$$&c$&$##c##)$#"
     "&###c&ccc($'$#$$#$&#$&#$$$##c###$##$#$*#*'($&)$&c#$##$$####$#)##'#&#c$$c$$",
     1},
    {"HuffmanOnly",
     "05c10171033000033130ff6727d95a52e6cfa1d2817a358b02a520479c9499ed144a2d3036b8a8021e033e06503fc001"
     "43c8d2bdc2ffdd2d46038d28b828c0221cde3cca6c213a792244a3fa518304cb199d53865ac6df41dd5733230cae0458"
     "b61d2b8ac1a0c200417cbc1e73cd1014402e94309dfe00",
     "(##'$)$$&c&$$###'#'##$#($#$c$#'#c$&cc('##'#'$'###c#cc##)#$$$$###$($&##$*#c####'$-###(##$&#&#&c&'c*'##,)c)'#$&$$&#"
     "#'&$#$$##$c&$$####c&$##(#*c$($$#c$''##&$$c$#*$#$##&$$&$$$$-$$$&#$#&#$'#(c#'c$c$$#c#$$$'#c#+(#$$$c.$$&c$&$##c##)$#"
     "&###c&ccc($'$#$$#$&#$&#$$$##c###$##$#$*#*'($&)$&c#$##$$####$#)##'#&#c$$c$$",
     1},
    {"LongRuns", "edc13101000000c2a0de4b6f0a3fa00000000080b701", "z", 5000},
    {"Repeats",
     "2bc94855282ccd4cce56482aca2fcf5348cbaf50c82acd2d2856c82f4b2d5228014ae72456552aa4e4a7eb8179a38a47"
     "158f2a1e553caa7854f130520c00",
     "the quick brown fox jumps over the lazy dog. ", 40},
};

class InflateTest : public testing::TestWithParam<Stream> {};

TEST_P(InflateTest, GivesWhatWasPacked) {
  const Bytes content = ContentOf(GetParam());
  Bytes unpacked;
  ASSERT_TRUE(Unpacks(FromHex(GetParam().packed), content.size(), &unpacked));
  EXPECT_EQ(unpacked, content);
}

TEST_P(InflateTest, LeavesWhatFollowsAlone) {
  Bytes packed = FromHex(GetParam().packed);
  packed.insert(packed.end(), {1, 2, 3});
  EXPECT_TRUE(Unpacks(packed, ContentOf(GetParam()).size()));
}

TEST_P(InflateTest, RefusesAnotherSize) {
  const Bytes packed = FromHex(GetParam().packed);
  const size_t size = ContentOf(GetParam()).size();
  EXPECT_FALSE(Unpacks(packed, size + 1));
  if (size > 0) {
    EXPECT_FALSE(Unpacks(packed, size - 1));
  }
}

TEST_P(InflateTest, RefusesWhatIsCutShort) {
  Bytes packed = FromHex(GetParam().packed);
  while (!packed.empty()) {
    packed.pop_back();
    EXPECT_FALSE(Unpacks(packed, ContentOf(GetParam()).size())) << packed.size();
  }
}

TEST_P(InflateTest, StaysInsideItsMemoryWhateverItIsGiven) {
  const Bytes whole = FromHex(GetParam().packed);
  const size_t size = ContentOf(GetParam()).size();
  std::mt19937 random(1);
  for (int i = 0; i < 2000; i++) {
    Bytes packed = whole;
    for (uint32_t changes = 1 + random() % 4; changes > 0; changes--) {
      packed[random() % packed.size()] = static_cast<uint8_t>(random());
    }
    Unpacks(packed, size);
  }
}

INSTANTIATE_TEST_SUITE_P(Streams, InflateTest, testing::ValuesIn(kStreams),
                         [](const testing::TestParamInfo<Stream>& info) { return std::string(info.param.name); });

TEST(Inflate, RefusesWhatNoEncoderMakes) {
  // A block of kind 3; one stored, whose length is not repeated; codes of no lengths; a distance of 2 after one byte;
  // symbols that stand for no length and for no distance.
  for (const char* packed : {"07", "0101000000ff", "0500", "4b044200", "4b1c0300", "4b043e00"}) {
    for (const size_t size : {0u, 1u, 4u, 300u}) EXPECT_FALSE(Unpacks(FromHex(packed), size)) << packed;
  }
}

TEST(Inflate, SurvivesNoise) {
  std::mt19937 random(2);
  for (int i = 0; i < 20000; i++) {
    Bytes packed(random() % 200);
    for (uint8_t& byte : packed) byte = static_cast<uint8_t>(random());
    Unpacks(packed, random() % 1000);
  }
}

}  // namespace
}  // namespace neonsense
