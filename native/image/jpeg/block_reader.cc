#include "image/jpeg/block_reader.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "image/jpeg/transform.h"

namespace neonsense::image::jpeg {
namespace {

// Where the coefficients of a file stand in their block, row * 8 + column.
constexpr std::array<uint8_t, kCoefficients> kZigzag = {0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
                                                        12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
                                                        35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
                                                        58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

// The first coefficient in the file that is not among the lowest four each way.
constexpr uint32_t kLow = 10;

// What stands for the middle of the samples' range, and half a step for rounding.
constexpr float kMiddle = 128.5f;

// sample x of 8 = sum over k of coefficient k * Wave(k, x)
double Wave(uint32_t k, uint32_t x) {
  constexpr double kPi = 3.14159265358979323846;
  return (k == 0 ? std::sqrt(0.5) : 1.0) * 0.5 * std::cos((2 * x + 1) * k * kPi / 16);
}

// The average of the samples that `count` of them stand for.
double MeanWave(uint32_t k, uint32_t x, uint32_t count) {
  const uint32_t each = 8 / count;
  double sum = 0;
  for (uint32_t i = 0; i < each; i++) sum += Wave(k, x * each + i);
  return sum / each;
}

// Where the steps of a block's symbols ended: at its last coefficient, or where the file says that the rest is zeros.
bool IsEnd(uint32_t place) { return place == kCoefficients - 1 || place >= Symbol::kEndOfBlock; }

}  // namespace

void BlockReader::Make(const Quantizer& quantizer, const HuffmanTable& dc, const HuffmanTable& ac,
                       const BlockSides& sides, const Turn& turn) {
  dc_ = &dc;
  ac_ = &ac;
  read_ = FunctionOf(sides);
  dc_value_ = 0;
  const auto [width, height] = sides;
  for (uint32_t k = 0; k < kCoefficients; k++) {
    const uint32_t row = kZigzag[k] / 8, column = kZigzag[k] % 8;
    const uint32_t u = turn.transposed ? row : column, v = turn.transposed ? column : row;
    // Every other wave is the same from behind, the rest are upside down.
    const bool negative = ((turn.flip_x ? u : 0) + (turn.flip_y ? v : 0)) % 2 == 1;
    const double factor = negative ? -1.0 * quantizer[k] : quantizer[k];
    // Columns are transformed first, as rows of the transposed block.
    places_[k] = static_cast<uint8_t>(u * 8 + v);
    factors_[k] = static_cast<float>(factor * TransformScale(u) * TransformScale(v));
    if (width == 8 && height == 8) continue;
    weights_[k] = {};
    for (uint32_t y = 0; y < height; y++) {
      for (uint32_t x = 0; x < width; x++) {
        const uint32_t at = y * width + x;
        weights_[k][at / 4][at % 4] = static_cast<float>(factor * MeanWave(u, x, width) * MeanWave(v, y, height));
      }
    }
  }
}

// Takes the symbols of a block behind its first and gives the place they end at. Each one's place, below kCoefficients,
// and value go to `use`, that of an end at any place with 0.
template <typename Use>
inline uint32_t TakeAc(const HuffmanTable& ac, Bits& bits, const Use& use) {
  uint32_t place = 0;
  for (;;) {
    bits.Refill();
    // As many as certainly have all of their bits: one that is looked up has no more than the index.
    for (int i = 0; i < 3; i++) {
      Symbol symbol = ac.Look(bits.bits);
      const bool resolved = !symbol.unresolved();
      if (__builtin_expect(!resolved, 0)) symbol = ac.Resolve(symbol, bits.bits);
      bits.Take(symbol.bits());
      place += symbol.step();
      use(place % kCoefficients, symbol.value());
      if (place >= kCoefficients - 1) return place;
      if (__builtin_expect(!resolved, 0)) break;
    }
  }
}

bool BlockReader::TakeDc(Bits& bits) {
  bits.Refill();
  const Symbol symbol = dc_->Find(bits.bits);
  bits.Take(symbol.bits());
  // As 16 bits wherever damaged files take it.
  dc_value_ = static_cast<int16_t>(dc_value_ + symbol.value());
  return symbol.step() != Symbol::kInvalid;
}

template <uint32_t kWidth, uint32_t kHeight>
bool BlockReader::ReadReduced(BlockReader& reader, Bits& outer, uint8_t* output, size_t stride) {
  constexpr uint32_t kSamples = kWidth * kHeight;
  constexpr uint32_t kVectors = (kSamples + 3) / 4;
  Bits bits = outer;
  const bool has_dc = reader.TakeDc(bits);
  Floats sums[kVectors];
  const float mean = static_cast<float>(reader.dc_value_) * reader.weights_[0][0][0] + kMiddle;
  for (Floats& sum : sums) sum = Floats{mean, mean, mean, mean};
  const uint32_t place = TakeAc(*reader.ac_, bits, [&](uint32_t at, int32_t value) {
    const auto& weights = reader.weights_[at];
    for (uint32_t i = 0; i < kVectors; i++) sums[i] += weights[i] * static_cast<float>(value);
  });
  outer = bits;
  uint8_t samples[kVectors * 4];
  for (uint32_t i = 0; i < kVectors; i++) ToBytes(sums[i], samples + i * 4);
  for (uint32_t y = 0; y < kHeight; y++) std::memcpy(output + y * stride, samples + y * kWidth, kWidth);
  return has_dc && IsEnd(place);
}

// One sample, to which only the first coefficient matters.
bool BlockReader::ReadAverage(BlockReader& reader, Bits& outer, uint8_t* output, size_t) {
  Bits bits = outer;
  const bool has_dc = reader.TakeDc(bits);
  const uint32_t place = TakeAc(*reader.ac_, bits, [](uint32_t, int32_t) {});
  outer = bits;
  const float mean = static_cast<float>(reader.dc_value_) * reader.weights_[0][0][0] + kMiddle;
  *output = static_cast<uint8_t>(std::min(std::max(mean, 0.0f), 255.0f));
  return has_dc && IsEnd(place);
}

bool BlockReader::ReadWhole(BlockReader& reader, Bits& outer, uint8_t* output, size_t stride) {
  Bits bits = outer;
  const bool has_dc = reader.TakeDc(bits);
  alignas(64) float block[kCoefficients] = {};
  block[0] = static_cast<float>(reader.dc_value_) * reader.factors_[0] + kMiddle;
  uint32_t last = 0;
  const uint32_t place = TakeAc(*reader.ac_, bits, [&](uint32_t at, int32_t value) {
    // What ends a block has no place of its own.
    if (value == 0) return;
    block[reader.places_[at]] = static_cast<float>(value) * reader.factors_[at];
    last = at;
  });
  outer = bits;
  if (last == 0) {
    uint8_t mean[4];
    const float value = block[0];
    ToBytes(Floats{value, value, value, value}, mean);
    for (uint32_t y = 0; y < 8; y++) std::memset(output + y * stride, mean[0], 8);
  } else if (last < kLow) {
    TransformLow(block, output, stride);
  } else {
    Transform(block, output, stride);
  }
  return has_dc && IsEnd(place);
}

BlockReader::ReadFunction BlockReader::FunctionOf(const BlockSides& sides) {
  switch (sides.width * 16 + sides.height) {
    case 0x11:
      return ReadAverage;
    case 0x12:
      return ReadReduced<1, 2>;
    case 0x21:
      return ReadReduced<2, 1>;
    case 0x22:
      return ReadReduced<2, 2>;
    case 0x24:
      return ReadReduced<2, 4>;
    case 0x42:
      return ReadReduced<4, 2>;
    case 0x44:
      return ReadReduced<4, 4>;
    case 0x48:
      return ReadReduced<4, 8>;
    case 0x84:
      return ReadReduced<8, 4>;
    default:
      return ReadWhole;
  }
}

}  // namespace neonsense::image::jpeg
