#include <arm_neon.h>

#include <cstring>

#include "kernels/pointwise_int8_variants.h"
// Before what works with it.
#include "kernels/vector_neon_single.h"

#include "kernels/vector_activation.h"

// A tile is seven rows in one or two vectors of four output channels. Of bytes this CPU multiplies eight pairs at once
// into 16 bits, two of those products still fit there, and neighbours are added to sums of 32 bits. So the products of
// two neighbouring input channels come to lie side by side, for each of four output channels, and nothing is left to
// add up in the end. For that each pair of codes is repeated four times first.
namespace neonsense::kernels {
namespace {

constexpr int kRows = 7;
constexpr size_t kChannels = 4;
// Input channels that are multiplied by one vector of weights.
constexpr size_t kStep = 4;

// Codes of kRows rows by kStep channels: [steps, kRows, 2, 4, 2]. Behind the last step one more is fetched.
using Codes = int8_t[(kMostInt8Channels / kStep + 1) * kRows * 16];

void Prepare(const int8_t* input, size_t in_channels, int8_t* codes) {
  constexpr uint8_t kFirst[16] = {0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3};
  const uint8x16_t first = vld1q_u8(kFirst);
  const uint8x16_t second = vaddq_u8(first, vdupq_n_u8(4));
  const uint8x16_t third = vaddq_u8(first, vdupq_n_u8(8));
  const uint8x16_t fourth = vaddq_u8(first, vdupq_n_u8(12));
  constexpr size_t kNext = kRows * 16;
  for (size_t r = 0; r < kRows; r++, input += in_channels) {
    const int8_t* from = input;
    int8_t* to = codes + r * 16;
    size_t left = in_channels;
    for (; left >= 16; left -= 16, from += 16, to += 4 * kNext) {
      const int8x16_t numbers = vld1q_s8(from);
      vst1q_s8(to, vqtbl1q_s8(numbers, first));
      vst1q_s8(to + kNext, vqtbl1q_s8(numbers, second));
      vst1q_s8(to + 2 * kNext, vqtbl1q_s8(numbers, third));
      vst1q_s8(to + 3 * kNext, vqtbl1q_s8(numbers, fourth));
    }
    for (; left >= kStep; left -= kStep, from += kStep, to += kNext) {
      int32_t four;
      std::memcpy(&four, from, sizeof four);
      vst1q_s8(to, vqtbl1q_s8(vreinterpretq_s8_s32(vdupq_n_s32(four)), first));
    }
    if (left != 0) {
      int16_t two;
      std::memcpy(&two, from, sizeof two);
      vst1q_s8(to, vcombine_s8(vreinterpret_s8_s16(vdup_n_s16(two)), vdup_n_s8(0)));
    }
  }
}

// The kCount registers at `from`, which goes on behind them.
template <int kCount>
NEONSENSE_INLINE void LoadCodes(const int8_t*& from, int8x16_t (&to)[kCount]) {
  if constexpr (kCount == 4) {
    const int8x16x4_t all = vld1q_s8_x4(from);
    Unroll<kCount>([&](auto i) NEONSENSE_INLINE_BODY { to[i.value] = all.val[i.value]; });
  } else {
    const int8x16x3_t all = vld1q_s8_x3(from);
    Unroll<kCount>([&](auto i) NEONSENSE_INLINE_BODY { to[i.value] = all.val[i.value]; });
  }
  from += kCount * 16;
  asm("" : "+r"(from));
}

// kCount rows from kFirst on. None waits for the product right before it.
template <int kVectors, int kFirst, int kCount>
NEONSENSE_INLINE void Multiply(const int8x16_t (&codes)[kCount], const int8x16_t (&taps)[kVectors],
                               int32x4_t (&sums)[kRows * kVectors]) {
  Unroll<kVectors>([&](auto v) NEONSENSE_INLINE_BODY {
    int16x8_t products[kCount];
    Unroll<kCount>([&](auto i) NEONSENSE_INLINE_BODY {
      products[i.value] = vmull_s8(vget_low_s8(codes[i.value]), vget_low_s8(taps[v.value]));
    });
    Unroll<kCount>([&](auto i) NEONSENSE_INLINE_BODY {
      products[i.value] = vmlal_high_s8(products[i.value], codes[i.value], taps[v.value]);
    });
    Unroll<kCount>([&](auto i) NEONSENSE_INLINE_BODY {
      int32x4_t& sum = sums[(kFirst + i.value) * kVectors + v.value];
      sum = vpadalq_s16(sum, products[i.value]);
    });
  });
}

// What becomes of sums: floats.
struct ToFloats {
  using Arguments = PointwiseInt8Arguments;
  using Number = float;
  // Numbers of 32 bits for each channel before its weights.
  static constexpr size_t kHeader = 3;

  const Arguments& arguments;

  NEONSENSE_INLINE int32x4_t First(const uint8_t* panel) const {
    return vmulq_s32(vld1q_s32(reinterpret_cast<const int32_t*>(panel)), vdupq_n_s32(-arguments.zero_point));
  }

  // `panel` is the first one's, others lie behind it. `left` channels are written.
  template <int kVectors>
  NEONSENSE_INLINE void Write(const int32x4_t (&sums)[kRows * kVectors], const uint8_t* panel, size_t panel_bytes,
                              float* output, size_t left) const {
    const size_t out_channels = arguments.shape.out_channels;
    Unroll<kVectors>([&](auto v) NEONSENSE_INLINE_BODY {
      const float* const scales = reinterpret_cast<const float*>(panel + v.value * panel_bytes + 4 * kChannels);
      const float32x4_t scale = vdupq_n_f32(arguments.scale);
      const float32x4_t channel_scale = vld1q_f32(scales);
      const float32x4_t bias = vld1q_f32(scales + kChannels);
      Vector numbers[kRows];
      Unroll<kRows>([&](auto r) NEONSENSE_INLINE_BODY {
        const float32x4_t product = vmulq_f32(vcvtq_f32_s32(sums[r.value * kVectors + v.value]), scale);
        numbers[r.value] = {vfmaq_f32(bias, product, channel_scale)};
      });
      Activate(arguments.activation, numbers);
      float* const to = output + v.value * kChannels;
      const size_t rest = left - v.value * kChannels;
      if (rest >= kChannels) {
        Unroll<kRows>([&](auto r) NEONSENSE_INLINE_BODY { numbers[r.value].Store(to + r.value * out_channels); });
      } else {
        Unroll<kRows>([&](auto r) NEONSENSE_INLINE_BODY {
          float four[kChannels];
          numbers[r.value].Store(four);
          std::memcpy(to + r.value * out_channels, four, rest * sizeof(float));
        });
      }
    });
  }
};

// Codes of a fixed range.
struct ToCodes {
  using Arguments = PointwiseCodesArguments;
  using Number = int8_t;
  static constexpr size_t kHeader = 2;

  const Arguments& arguments;

  NEONSENSE_INLINE int32x4_t First(const uint8_t* panel) const {
    return vld1q_s32(reinterpret_cast<const int32_t*>(panel));
  }

  template <int kVectors>
  NEONSENSE_INLINE void Write(const int32x4_t (&sums)[kRows * kVectors], const uint8_t* panel, size_t panel_bytes,
                              int8_t* output, size_t left) const {
    const size_t out_channels = arguments.shape.out_channels;
    float32x4_t scales[kVectors];
    Unroll<kVectors>([&](auto v) NEONSENSE_INLINE_BODY {
      scales[v.value] = vld1q_f32(reinterpret_cast<const float*>(panel + v.value * panel_bytes + 4 * kChannels));
    });
    const int16x8_t zero_point = vdupq_n_s16(arguments.output_zero_point);
    const int8x8_t min = vdup_n_s8(arguments.output_min);
    const int8x8_t max = vdup_n_s8(arguments.output_max);
    Unroll<kRows>([&](auto r) NEONSENSE_INLINE_BODY {
      const auto rounded = [&](auto v) NEONSENSE_INLINE_BODY {
        return vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sums[r.value * kVectors + v.value]), scales[v.value]));
      };
      const int16x4_t low = vqmovn_s32(rounded(Index<0>{}));
      int16x8_t all = vcombine_s16(low, low);
      if constexpr (kVectors == 2) all = vqmovn_high_s32(low, rounded(Index<1>{}));
      const int8x8_t codes = vmin_s8(vmax_s8(vqmovn_s16(vqaddq_s16(all, zero_point)), min), max);
      int8_t* const to = output + r.value * out_channels;
      if (kVectors == 2 && left >= 2 * kChannels) {
        vst1_s8(to, codes);
      } else {
        int8_t eight[2 * kChannels];
        vst1_s8(eight, codes);
        std::memcpy(to, eight, left < kVectors * kChannels ? left : kVectors * kChannels);
      }
    });
  }
};

template <int kVectors, typename Result>
void RunTile(const Result& result, const int8_t* codes, size_t channel, typename Result::Number* output) {
  const size_t in_channels = result.arguments.shape.in_channels;
  const size_t panel_bytes = kChannels * (Result::kHeader * 4 + in_channels);
  const uint8_t* const panel = result.arguments.weights + channel / kChannels * panel_bytes;
  const int8_t* weights[kVectors];
  int32x4_t sums[kRows * kVectors];
  Unroll<kVectors>([&](auto v) NEONSENSE_INLINE_BODY {
    const uint8_t* const own = panel + v.value * panel_bytes;
    const int32x4_t first = result.First(own);
    Unroll<kRows>([&](auto r) NEONSENSE_INLINE_BODY { sums[r.value * kVectors + v.value] = first; });
    weights[v.value] = reinterpret_cast<const int8_t*>(own + Result::kHeader * 4 * kChannels);
  });
  // Fetched while the ones before them are at work.
  int8x16_t four[4];
  int8x16_t three[3];
  LoadCodes(codes, four);
  LoadCodes(codes, three);
  size_t left = in_channels;
  for (; left >= 2 * kStep; left -= 2 * kStep) {
    int8x16x2_t both[kVectors];
    Unroll<kVectors>([&](auto v) NEONSENSE_INLINE_BODY {
      both[v.value] = vld1q_s8_x2(weights[v.value]);
      weights[v.value] += 32;
      asm("" : "+r"(weights[v.value]));
    });
    Unroll<2>([&](auto half) NEONSENSE_INLINE_BODY {
      int8x16_t taps[kVectors];
      Unroll<kVectors>([&](auto v) NEONSENSE_INLINE_BODY { taps[v.value] = both[v.value].val[half.value]; });
      Multiply<kVectors, 0>(four, taps, sums);
      LoadCodes(codes, four);
      Multiply<kVectors, 4>(three, taps, sums);
      LoadCodes(codes, three);
    });
  }
  for (; left != 0; left -= left < kStep ? left : kStep) {
    int8x16_t taps[kVectors];
    Unroll<kVectors>([&](auto v) NEONSENSE_INLINE_BODY {
      // The last weights may be those of two channels.
      taps[v.value] = left < kStep ? vcombine_s8(vld1_s8(weights[v.value]), vdup_n_s8(0)) : vld1q_s8(weights[v.value]);
      weights[v.value] += 16;
    });
    Multiply<kVectors, 0>(four, taps, sums);
    LoadCodes(codes, four);
    Multiply<kVectors, 4>(three, taps, sums);
    LoadCodes(codes, three);
  }

  result.template Write<kVectors>(sums, panel, panel_bytes, output + channel,
                                  result.arguments.shape.out_channels - channel);
}

template <typename Result>
NEONSENSE_INLINE void Run(const Result& result, const PointwisePart& part) {
  const PointwiseShape& shape = result.arguments.shape;
  Codes codes;
  for (size_t done = part.row_begin; done < part.row_end;) {
    // Where fewer rows are left, the tile reaches back over some that are done already.
    done = done + kRows < part.row_end ? done + kRows : part.row_end;
    const size_t row = done - kRows;
    Prepare(result.arguments.input + row * shape.in_channels, shape.in_channels, codes);
    typename Result::Number* const output = result.arguments.output + row * shape.out_channels;
    for (size_t c = part.channel_begin; c < part.channel_end; c += 2 * kChannels) {
      part.channel_end - c > kChannels ? RunTile<2>(result, codes, c, output) : RunTile<1>(result, codes, c, output);
    }
  }
}

}  // namespace

void RunPointwiseInt8Neon(const PointwiseInt8Arguments& arguments, const PointwisePart& part) {
  Run(ToFloats{arguments}, part);
}

void RunPointwiseCodesNeon(const PointwiseCodesArguments& arguments, const PointwisePart& part) {
  Run(ToCodes{arguments}, part);
}

}  // namespace neonsense::kernels
