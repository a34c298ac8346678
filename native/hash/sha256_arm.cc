#include "hash/sha256_blocks.h"

#ifdef __ARM_FEATURE_SHA2

#include <arm_neon.h>

namespace neonsense::hash {
namespace {

void Blocks(uint32_t state[8], const uint8_t* blocks, size_t count) {
  uint32x4_t abcd = vld1q_u32(state);
  uint32x4_t efgh = vld1q_u32(state + 4);
  for (; count > 0; count--, blocks += kSha256Block) {
    const uint32x4_t abcd_before = abcd;
    const uint32x4_t efgh_before = efgh;
    uint32x4_t w[4];
    for (int i = 0; i < 4; i++) w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(blocks + size_t{16} * i)));
    for (int i = 0; i < 16; i++) {
      const uint32x4_t sum = vaddq_u32(w[i % 4], vld1q_u32(&kSha256Rounds[size_t{4} * i]));
      if (i < 12) {
        const uint32x4_t partial = vsha256su0q_u32(w[i % 4], w[(i + 1) % 4]);
        w[i % 4] = vsha256su1q_u32(partial, w[(i + 2) % 4], w[(i + 3) % 4]);
      }
      const uint32x4_t before = abcd;
      abcd = vsha256hq_u32(abcd, efgh, sum);
      efgh = vsha256h2q_u32(efgh, before, sum);
    }
    abcd = vaddq_u32(abcd, abcd_before);
    efgh = vaddq_u32(efgh, efgh_before);
  }
  vst1q_u32(state, abcd);
  vst1q_u32(state + 4, efgh);
}

}  // namespace

const Sha256Blocks kSha256BlocksArm = Blocks;

}  // namespace neonsense::hash

#else

const neonsense::hash::Sha256Blocks neonsense::hash::kSha256BlocksArm = nullptr;

#endif
