#include "image/sampled.h"

#include <algorithm>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace neonsense::image {
namespace {

// Colours are summed in 1 / 64: more does not fit 16 bits.
constexpr int kFraction = 6;

// What chroma, less its middle, adds to luma, in 1 / 16384: 1.402 and 1.772 less 1, and of green 0.344136 and 0.714136.
constexpr int16_t kRedV = 6586, kBlueU = 12648, kGreenU = -5638, kGreenV = -11700;

// output[2 * i] and [2 * i + 1] of sums that are `kShift` - 2 bits larger than samples. `sums` has one more at both
// ends.
template <int kShift>
void Widen(const uint16_t* sums, size_t count, uint32_t even, uint32_t odd, uint8_t* __restrict output) {
  for (size_t i = 0; i < count; i++) {
    const uint32_t own = 3u * sums[i + 1];
    output[2 * i] = static_cast<uint8_t>((own + sums[i] + even) >> kShift);
    output[2 * i + 1] = static_cast<uint8_t>((own + sums[i + 2] + odd) >> kShift);
  }
}

#if defined(__SSE2__)

// Eight samples at a time; may read and write as many past the end.
void ToColours(const uint8_t* luma, const uint8_t* u, const uint8_t* v, size_t count, uint8_t* output) {
  const __m128i zero = _mm_setzero_si128(), half = _mm_set1_epi16(1 << (kFraction - 1));
  const auto load = [](const uint8_t* at) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)); };
  // Less its middle, times 256.
  const auto centred = [&](const uint8_t* at) {
    return _mm_xor_si128(_mm_unpacklo_epi8(zero, load(at)), _mm_set1_epi16(INT16_MIN));
  };
  const auto times = [](__m128i chroma, int16_t factor) { return _mm_mulhi_epi16(chroma, _mm_set1_epi16(factor)); };
  const auto bytes = [](__m128i sum) {
    const __m128i shifted = _mm_srai_epi16(sum, kFraction);
    return _mm_packus_epi16(shifted, shifted);
  };
  for (size_t i = 0; i < count; i += 8) {
    const __m128i y = _mm_add_epi16(_mm_slli_epi16(_mm_unpacklo_epi8(load(luma + i), zero), kFraction), half);
    const __m128i cu = centred(u + i), cv = centred(v + i);
    const auto whole = [](__m128i chroma) { return _mm_srai_epi16(chroma, 8 - kFraction); };
    const __m128i red = bytes(_mm_add_epi16(_mm_add_epi16(y, whole(cv)), times(cv, kRedV)));
    const __m128i green = bytes(_mm_add_epi16(y, _mm_add_epi16(times(cu, kGreenU), times(cv, kGreenV))));
    const __m128i blue = bytes(_mm_add_epi16(_mm_add_epi16(y, whole(cu)), times(cu, kBlueU)));
    const __m128i red_green = _mm_unpacklo_epi8(red, green), blue_nothing = _mm_unpacklo_epi8(blue, zero);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(output + i * 4), _mm_unpacklo_epi16(red_green, blue_nothing));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(output + i * 4 + 16), _mm_unpackhi_epi16(red_green, blue_nothing));
  }
}

#elif defined(__ARM_NEON)

void ToColours(const uint8_t* luma, const uint8_t* u, const uint8_t* v, size_t count, uint8_t* output) {
  const int16x8_t half = vdupq_n_s16(1 << (kFraction - 1));
  const auto centred = [](const uint8_t* at) {
    return veorq_s16(vreinterpretq_s16_u16(vshll_n_u8(vld1_u8(at), 8)), vdupq_n_s16(INT16_MIN));
  };
  // This doubles the product.
  const auto times = [](int16x8_t chroma, int16_t factor) { return vqdmulhq_n_s16(chroma, factor / 2); };
  for (size_t i = 0; i < count; i += 8) {
    const int16x8_t y = vaddq_s16(vreinterpretq_s16_u16(vshll_n_u8(vld1_u8(luma + i), kFraction)), half);
    const int16x8_t cu = centred(u + i), cv = centred(v + i);
    const int16x8_t red = vaddq_s16(vaddq_s16(y, vshrq_n_s16(cv, 8 - kFraction)), times(cv, kRedV));
    const int16x8_t green = vaddq_s16(y, vaddq_s16(times(cu, kGreenU), times(cv, kGreenV)));
    const int16x8_t blue = vaddq_s16(vaddq_s16(y, vshrq_n_s16(cu, 8 - kFraction)), times(cu, kBlueU));
    uint8x8x4_t colours;
    colours.val[0] = vqshrun_n_s16(red, kFraction);
    colours.val[1] = vqshrun_n_s16(green, kFraction);
    colours.val[2] = vqshrun_n_s16(blue, kFraction);
    colours.val[3] = vdup_n_u8(0);
    vst4_u8(output + i * 4, colours);
  }
}

#else

void ToColours(const uint8_t* luma, const uint8_t* u, const uint8_t* v, size_t count, uint8_t* output) {
  const auto times = [](int chroma, int factor) { return chroma * 256 * factor >> 16; };
  const auto byte = [](int sum) { return static_cast<uint8_t>(std::clamp(sum >> kFraction, 0, 255)); };
  for (size_t i = 0; i < count; i++, output += 4) {
    const int y = (luma[i] << kFraction) + (1 << (kFraction - 1)), cu = u[i] - 128, cv = v[i] - 128;
    output[0] = byte(y + cv * (1 << kFraction) + times(cv, kRedV));
    output[1] = byte(y + times(cu, kGreenU) + times(cv, kGreenV));
    output[2] = byte(y + cu * (1 << kFraction) + times(cu, kBlueU));
    output[3] = 0;
  }
}

#endif

}  // namespace

void SampledRows::Start(const Picture& picture, uint32_t first, uint32_t end) {
  picture_ = &picture;
  first_ = first;
  end_ = end;
  const Layout& layout = picture.layout();
  const Sample luma = SampleOf(layout), chroma = ChromaSampleOf(layout);
  const auto& [x, y, width, height] = layout.region;
  chroma_.halved_across = chroma.across > luma.across;
  chroma_.halved_down = chroma.down > luma.down;
  chroma_.first_column = x / chroma.across;
  chroma_.end_column = (x + width + chroma.across - 1) / chroma.across;
  chroma_.first_row = y / chroma.down;
  chroma_.end_row = (y + height + chroma.down - 1) / chroma.down;
  const size_t columns = chroma_.end_column - chroma_.first_column;
  sums_.resize(columns + 2);
  for (auto& row : rows_) row.resize(columns * 2 + kSlackBytes);
}

void SampledRows::Convert(uint32_t y, uint8_t* output) {
  const size_t count = end_ - first_;
  const uint8_t* luma = picture_->Row(0, y) + first_;
  ToColours(luma, ChromaRow(1, y), ChromaRow(2, y), count, output);
}

const uint8_t* SampledRows::ChromaRow(size_t plane, uint32_t y) {
  const auto& [first_column, end_column, first_row, end_row, across, down] = chroma_;
  if (!across && !down) return picture_->Row(plane, y) + first_;
  const size_t count = end_column - first_column;
  const uint32_t own = down ? y / 2 : y;
  const uint8_t* const near = picture_->Row(plane, own) + first_column;
  const uint32_t other = !down ? own : y % 2 == 0 ? std::max(own, first_row + 1) - 1 : std::min(own + 1, end_row - 1);
  const uint8_t* const far = picture_->Row(plane, other) + first_column;
  uint8_t* const row = rows_[plane - 1].data();
  if (!across) {
    const uint32_t half = y % 2 == 0 ? 1 : 2;
    for (size_t i = 0; i < count; i++) row[i] = static_cast<uint8_t>((3u * near[i] + far[i] + half) >> 2);
    return row + (first_ - first_column);
  }
  uint16_t* const sums = sums_.data() + 1;
  if (down) {
    for (size_t i = 0; i < count; i++) sums[i] = static_cast<uint16_t>(3 * near[i] + far[i]);
  } else {
    for (size_t i = 0; i < count; i++) sums[i] = near[i];
  }
  sums[-1] = sums[0];
  sums[count] = sums[count - 1];
  if (down) {
    Widen<4>(sums - 1, count, 8, 7, row);
  } else {
    Widen<2>(sums - 1, count, 1, 2, row);
  }
  return row + (first_ - 2 * first_column);
}

}  // namespace neonsense::image
