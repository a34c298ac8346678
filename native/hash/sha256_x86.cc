#include "hash/sha256_blocks.h"

#ifdef __SHA__

#include <immintrin.h>

namespace neonsense::hash {
namespace {

__m128i Load(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }

// The instructions keep the state's words as ABEF and CDGH, the first in the highest place, and do two rounds each.
void Blocks(uint32_t state[8], const uint8_t* blocks, size_t count) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const __m128i cdab = _mm_shuffle_epi32(Load(state), 0xb1);
  const __m128i efgh = _mm_shuffle_epi32(Load(state + 4), 0x1b);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
  __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
  for (; count > 0; count--, blocks += kSha256Block) {
    const __m128i abef_before = abef;
    const __m128i cdgh_before = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; i++) w[i] = _mm_shuffle_epi8(Load(blocks + size_t{16} * i), swap);
    for (int i = 0; i < 16; i++) {
      const __m128i sum = _mm_add_epi32(w[i % 4], Load(&kSha256Rounds[size_t{4} * i]));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
      if (i >= 12) continue;
      const __m128i nine_before = _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4);
      const __m128i partial = _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]), nine_before);
      w[i % 4] = _mm_sha256msg2_epu32(partial, w[(i + 3) % 4]);
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  const __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state), _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

}  // namespace

const Sha256Blocks kSha256BlocksX86 = Blocks;

}  // namespace neonsense::hash

#else

const neonsense::hash::Sha256Blocks neonsense::hash::kSha256BlocksX86 = nullptr;

#endif
