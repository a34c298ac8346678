// SHA-256 against the examples of FIPS 180-4 and its own portable form.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/cpu.h"
#include "hash/sha256.h"

namespace neonsense {
namespace {

std::string HashOf(const std::string& message, bool with_instructions, size_t piece) {
  hash::Sha256 hash(with_instructions);
  for (size_t at = 0; at < message.size(); at += piece) {
    const std::string part = message.substr(at, piece);
    hash.Update(part.data(), part.size());
  }
  return hash.Finish();
}

class Sha256Test : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam() && !engine::HasSha256()) GTEST_SKIP() << "this CPU has no instructions for it";
  }
};

TEST_P(Sha256Test, GivesTheExamplesOfTheStandard) {
  EXPECT_EQ(HashOf("", GetParam(), 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(HashOf("abc", GetParam(), 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HashOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", GetParam(), 100),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(HashOf(std::string(1'000'000, 'a'), GetParam(), 999),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_P(Sha256Test, DoesNotDependOnThePieces) {
  for (size_t size = 0; size < 200; size++) {
    std::string message;
    for (size_t i = 0; i < size; i++) message += static_cast<char>(i * 37 + size);
    const std::string whole = HashOf(message, false, 1000);
    for (const size_t piece : {1, 7, 63, 64, 65, 128}) EXPECT_EQ(HashOf(message, GetParam(), piece), whole);
  }
}

INSTANTIATE_TEST_SUITE_P(PortableAndInstructions, Sha256Test, testing::Bool());

}  // namespace
}  // namespace neonsense
