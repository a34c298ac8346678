#include "image/jpeg/transform.h"

#include <cmath>

namespace neonsense::image::jpeg {
namespace {

// cos(k * pi / 16)
constexpr float kCos1 = 0.98078528040323044913f;
constexpr float kCos2 = 0.92387953251128675613f;
constexpr float kCos3 = 0.83146961230254523708f;
constexpr float kCos5 = 0.55557023301960222474f;
constexpr float kCos6 = 0.38268343236508977173f;
constexpr float kCos7 = 0.19509032201612826785f;

// samples[x * kStep] = sum over k of inputs[k * kStep] times its wave, of which those from kInputs on are 0.
template <uint32_t kInputs, uint32_t kStep>
inline void TransformLine(const Floats* inputs, Floats* samples) {
  const Floats x0 = inputs[0], x1 = inputs[kStep], x2 = inputs[2 * kStep], x3 = inputs[3 * kStep];
  Floats even[4], odd[4];
  if constexpr (kInputs == 8) {
    const Floats x4 = inputs[4 * kStep], x5 = inputs[5 * kStep], x6 = inputs[6 * kStep], x7 = inputs[7 * kStep];
    const Floats sum = x0 + x4, difference = x0 - x4;
    const Floats outer = x2 * kCos2 + x6 * kCos6, inner = x2 * kCos6 - x6 * kCos2;
    even[0] = sum + outer;
    even[1] = difference + inner;
    even[2] = difference - inner;
    even[3] = sum - outer;
    odd[0] = x1 * kCos1 + x3 * kCos3 + x5 * kCos5 + x7 * kCos7;
    odd[1] = x1 * kCos3 - x3 * kCos7 - x5 * kCos1 - x7 * kCos5;
    odd[2] = x1 * kCos5 - x3 * kCos1 + x5 * kCos7 + x7 * kCos3;
    odd[3] = x1 * kCos7 - x3 * kCos5 + x5 * kCos3 - x7 * kCos1;
  } else {
    const Floats outer = x2 * kCos2, inner = x2 * kCos6;
    even[0] = x0 + outer;
    even[1] = x0 + inner;
    even[2] = x0 - inner;
    even[3] = x0 - outer;
    odd[0] = x1 * kCos1 + x3 * kCos3;
    odd[1] = x1 * kCos3 - x3 * kCos7;
    odd[2] = x1 * kCos5 - x3 * kCos1;
    odd[3] = x1 * kCos7 - x3 * kCos5;
  }
  for (uint32_t x = 0; x < 4; x++) {
    samples[x * kStep] = even[x] + odd[x];
    samples[(7 - x) * kStep] = even[x] - odd[x];
  }
}

inline void Transpose(Floats* rows) {
#if defined(__clang__)
#define NEONSENSE_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
  typedef int32_t Mask __attribute__((vector_size(16)));
#define NEONSENSE_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, Mask{i, j, k, l})
#endif
  const Floats a = rows[0], b = rows[1], c = rows[2], d = rows[3];
  const Floats ab_low = NEONSENSE_SHUFFLE(a, b, 0, 4, 1, 5), ab_high = NEONSENSE_SHUFFLE(a, b, 2, 6, 3, 7);
  const Floats cd_low = NEONSENSE_SHUFFLE(c, d, 0, 4, 1, 5), cd_high = NEONSENSE_SHUFFLE(c, d, 2, 6, 3, 7);
  rows[0] = NEONSENSE_SHUFFLE(ab_low, cd_low, 0, 1, 4, 5);
  rows[1] = NEONSENSE_SHUFFLE(ab_low, cd_low, 2, 3, 6, 7);
  rows[2] = NEONSENSE_SHUFFLE(ab_high, cd_high, 0, 1, 4, 5);
  rows[3] = NEONSENSE_SHUFFLE(ab_high, cd_high, 2, 3, 6, 7);
#undef NEONSENSE_SHUFFLE
}

template <uint32_t kInputs>
void TransformBlock(const float* block, uint8_t* output, size_t stride) {
  constexpr uint32_t kHalves = kInputs / 4;
  // Vectors of a row of the block, or of its transpose.
  Floats inputs[8 * 2], lines[8 * 2];
  std::memcpy(inputs, block, kInputs * 8 * sizeof(float));
  // Along u, for four v at once: lines[x * 2 + v / 4].
  for (uint32_t half = 0; half < kHalves; half++) TransformLine<kInputs, 2>(inputs + half, lines + half);
  // inputs[v * 2 + x / 4]
  for (uint32_t v = 0; v < kHalves; v++) {
    for (uint32_t x = 0; x < 2; x++) {
      Floats square[4] = {lines[x * 8 + v], lines[x * 8 + 2 + v], lines[x * 8 + 4 + v], lines[x * 8 + 6 + v]};
      Transpose(square);
      for (uint32_t i = 0; i < 4; i++) inputs[(v * 4 + i) * 2 + x] = square[i];
    }
  }
  for (uint32_t half = 0; half < 2; half++) TransformLine<kInputs, 2>(inputs + half, lines + half);
  for (uint32_t y = 0; y < 8; y++) {
    ToBytes(lines[y * 2], output + y * stride);
    ToBytes(lines[y * 2 + 1], output + y * stride + 4);
  }
}

}  // namespace

double TransformScale(uint32_t k) { return k % 4 == 0 ? std::sqrt(0.5) / 2 : 0.5; }

void Transform(const float* block, uint8_t* output, size_t stride) { TransformBlock<8>(block, output, stride); }

void TransformLow(const float* block, uint8_t* output, size_t stride) { TransformBlock<4>(block, output, stride); }

}  // namespace neonsense::image::jpeg
