#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace neonsense::image::jpeg {

// Four floats: both kinds of CPU have such vectors.
typedef float Floats __attribute__((vector_size(16)));

// The inverse cosine transform of a block of 8 x 8, transposed: coefficient (row v, column u) stands at u * 8 + v. Each
// has been multiplied by TransformScale(u) * TransformScale(v); the first one may have what is added to all samples.
void Transform(const float* block, uint8_t* output, size_t stride);
// Where only the lowest four each way are not 0.
void TransformLow(const float* block, uint8_t* output, size_t stride);
double TransformScale(uint32_t k);

// Four samples, cut to their range and rounded down.
inline void ToBytes(Floats samples, uint8_t* output) {
#if defined(__SSE2__)
  const __m128i integers = _mm_cvttps_epi32(_mm_min_ps(_mm_max_ps(samples, _mm_setzero_ps()), _mm_set1_ps(255)));
  const __m128i bytes = _mm_packus_epi16(_mm_packs_epi32(integers, integers), integers);
  const int32_t four = _mm_cvtsi128_si32(bytes);
  std::memcpy(output, &four, sizeof(four));
#elif defined(__ARM_NEON)
  // These cut what does not fit.
  const uint16x4_t shorts = vqmovn_u32(vcvtq_u32_f32((float32x4_t)samples));
  const uint8x8_t bytes = vqmovn_u16(vcombine_u16(shorts, shorts));
  vst1_lane_u32(reinterpret_cast<uint32_t*>(output), vreinterpret_u32_u8(bytes), 0);
#else
  for (size_t i = 0; i < 4; i++) {
    output[i] = static_cast<uint8_t>(samples[i] < 0 ? 0 : samples[i] > 255 ? 255 : samples[i]);
  }
#endif
}

}  // namespace neonsense::image::jpeg
