#pragma once

#include <cstddef>

#include "kernels/pointwise.h"
#include "kernels/unrolled.h"
#include "kernels/vector_activation.h"

// The loops for floats and halves. Included behind the Vector of one of them, so that each file has its own.
//
// A tile is kRows rows of kVectors vectors of output channels, all in registers: of NEON's 32, three times seven are
// sums, seven hold kLanes numbers of each row, and three the weights those are multiplied by, lane by lane. So nothing
// needs to be transposed first. Image networks have 7 * 7 pixels at the end, so no row is left over.
namespace neonsense::kernels {
namespace {

// `Number` is the Vector's. It tells the functions of one file from those of another.
template <typename Number>
struct PointwiseTiles {
  using Arguments = PointwiseArguments<Number>;
  static constexpr int kRows = 7;
  static constexpr int kWidest = 3;
  static constexpr size_t kLanes = Vector::kLanes;
  // Output channels whose weights lie together.
  static constexpr size_t kGroup = kWidest * kLanes;

  // Adds the products of kRows rows and kVectors vectors of weights.
  template <int kVectors>
  static NEONSENSE_INLINE void Sum(const Number* input, const Number* weights, size_t in_channels,
                                   Vector (&sums)[kRows * kVectors]) {
    const size_t whole = in_channels / kLanes * kLanes;
    const Number* from[kRows];
    Unroll<kRows>([&](auto r) NEONSENSE_INLINE_BODY { from[r.value] = input + r.value * in_channels; });
    const auto multiply = [&](auto lane, const Vector(&numbers)[kRows]) NEONSENSE_INLINE_BODY {
      Vector taps[kVectors];
      Vector::template LoadNext<kVectors>(weights, kGroup, taps);
      Unroll<kRows>([&](auto r) NEONSENSE_INLINE_BODY {
        Unroll<kVectors>([&](auto v) NEONSENSE_INLINE_BODY {
          Vector& sum = sums[r.value * kVectors + v.value];
          sum = MultiplyAddLane<lane.value>(taps[v.value], numbers[r.value], sum);
        });
      });
    };
    for (size_t i = whole; i != 0; i -= kLanes) {
      Vector numbers[kRows];
      Unroll<kRows>([&](auto r) NEONSENSE_INLINE_BODY { numbers[r.value] = Vector::LoadNext(from[r.value], kLanes); });
      Unroll<Vector::kLanes>([&](auto lane) NEONSENSE_INLINE_BODY { multiply(lane, numbers); });
    }
    for (size_t i = whole; i < in_channels; i++) {
      Vector numbers[kRows];
      Unroll<kRows>([&](auto r) NEONSENSE_INLINE_BODY { numbers[r.value] = Vector::Repeat(from[r.value]++); });
      multiply(Index<0>{}, numbers);
    }
  }

  // The same for kWidest vectors, and the biases. Compilers run out of registers here, though there are enough: 0 to 6
  // hold the rows, 7 to 9 the weights.
  static NEONSENSE_INLINE void SumWidest(const Number* input, const Number* weights, size_t in_channels,
                                         Vector (&sums)[kRows * kWidest]) {
    size_t steps = in_channels / kLanes;
    size_t rest = in_channels % kLanes;
#define NEONSENSE_ROW(T, E, R, A, B, C, LANE)       \
  "fmla %" A "." T ", v7." T ", v" R "." E "[" LANE \
  "]\n"                                             \
  "fmla %" B "." T ", v8." T ", v" R "." E "[" LANE \
  "]\n"                                             \
  "fmla %" C "." T ", v9." T ", v" R "." E "[" LANE "]\n"
#define NEONSENSE_LANE(T, E, LANE)                                                                         \
  "ld1 {v7." T ", v8." T ", v9." T "}, [%21], #48\n" NEONSENSE_ROW(T, E, "0", "0", "1", "2", LANE)         \
      NEONSENSE_ROW(T, E, "1", "3", "4", "5", LANE) NEONSENSE_ROW(T, E, "2", "6", "7", "8", LANE)          \
          NEONSENSE_ROW(T, E, "3", "9", "10", "11", LANE) NEONSENSE_ROW(T, E, "4", "12", "13", "14", LANE) \
              NEONSENSE_ROW(T, E, "5", "15", "16", "17", LANE) NEONSENSE_ROW(T, E, "6", "18", "19", "20", LANE)
#define NEONSENSE_BIAS(A, B, C) \
  "mov %" A                     \
  ".16b, v7.16b\n"              \
  "mov %" B                     \
  ".16b, v8.16b\n"              \
  "mov %" C ".16b, v9.16b\n"
#define NEONSENSE_SUM(T, E, SIZE, LANES) \
  asm("mov x9, %24\n"                                                                                             \
      "add x10, x9, %25\n"                                                                                        \
      "ld1 {v7." T ", v8." T ", v9." T "}, [%21], #48\n"                                                          \
      "add x11, x10, %25\n"                                                                                       \
      "add x12, x11, %25\n"                                                                                       \
      "add x13, x12, %25\n"                                                                                       \
      "add x14, x13, %25\n"                                                                                       \
      "add x15, x14, %25\n"                                                                                       \
      NEONSENSE_BIAS("0", "1", "2") NEONSENSE_BIAS("3", "4", "5") NEONSENSE_BIAS("6", "7", "8")                   \
      NEONSENSE_BIAS("9", "10", "11") NEONSENSE_BIAS("12", "13", "14") NEONSENSE_BIAS("15", "16", "17")           \
      NEONSENSE_BIAS("18", "19", "20")                                                                            \
      "cbz %22, 2f\n"                                                                                             \
      "1:\n"                                                                                                      \
      "ldr q0, [x9], #16\n"                                                                                       \
      "ldr q1, [x10], #16\n"                                                                                      \
      "ldr q2, [x11], #16\n"                                                                                      \
      "ldr q3, [x12], #16\n"                                                                                      \
      "ldr q4, [x13], #16\n"                                                                                      \
      "ldr q5, [x14], #16\n"                                                                                      \
      "ldr q6, [x15], #16\n"                                                                                      \
      "subs %22, %22, #1\n"                                                                                       \
      LANES                                                                                                       \
      "b.ne 1b\n"                                                                                                 \
      "2:\n"                                                                                                      \
      "cbz %23, 4f\n"                                                                                             \
      "3:\n"                                                                                                      \
      "ldr " E "0, [x9], #" SIZE "\n"                                                                             \
      "ldr " E "1, [x10], #" SIZE "\n"                                                                            \
      "ldr " E "2, [x11], #" SIZE "\n"                                                                            \
      "ldr " E "3, [x12], #" SIZE "\n"                                                                            \
      "ldr " E "4, [x13], #" SIZE "\n"                                                                            \
      "ldr " E "5, [x14], #" SIZE "\n"                                                                            \
      "ldr " E "6, [x15], #" SIZE "\n"                                                                            \
      "subs %23, %23, #1\n"                                                                                       \
      NEONSENSE_LANE(T, E, "0")                                                                                   \
      "b.ne 3b\n"                                                                                                 \
      "4:\n"                                                                                                      \
      : "=&w"(sums[0].value), "=&w"(sums[1].value), "=&w"(sums[2].value), "=&w"(sums[3].value),                   \
        "=&w"(sums[4].value), "=&w"(sums[5].value), "=&w"(sums[6].value), "=&w"(sums[7].value),                   \
        "=&w"(sums[8].value), "=&w"(sums[9].value), "=&w"(sums[10].value), "=&w"(sums[11].value),                 \
        "=&w"(sums[12].value), "=&w"(sums[13].value), "=&w"(sums[14].value), "=&w"(sums[15].value),               \
        "=&w"(sums[16].value), "=&w"(sums[17].value), "=&w"(sums[18].value), "=&w"(sums[19].value),               \
        "=&w"(sums[20].value), "+&r"(weights), "+&r"(steps), "+&r"(rest)                                          \
      : "r"(input), "r"(in_channels * sizeof(Number))                                                             \
      : "x9", "x10", "x11", "x12", "x13", "x14", "x15", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8",     \
        "v9", "cc", "memory")
    if constexpr (sizeof(Number) == sizeof(float)) {
      NEONSENSE_SUM("4s", "s", "4",
                    NEONSENSE_LANE("4s", "s", "0") NEONSENSE_LANE("4s", "s", "1") NEONSENSE_LANE("4s", "s", "2")
                        NEONSENSE_LANE("4s", "s", "3"));
    } else {
      NEONSENSE_SUM("8h", "h", "2",
                    NEONSENSE_LANE("8h", "h", "0") NEONSENSE_LANE("8h", "h", "1") NEONSENSE_LANE("8h", "h", "2")
                        NEONSENSE_LANE("8h", "h", "3") NEONSENSE_LANE("8h", "h", "4") NEONSENSE_LANE("8h", "h", "5")
                            NEONSENSE_LANE("8h", "h", "6") NEONSENSE_LANE("8h", "h", "7"));
    }
#undef NEONSENSE_SUM
#undef NEONSENSE_BIAS
#undef NEONSENSE_LANE
#undef NEONSENSE_ROW
  }

  // Rows from `row` on, in kVectors vectors of channels from `channel` on.
  template <int kVectors>
  static NEONSENSE_INLINE void RunTile(const Arguments& arguments, size_t row, size_t channel) {
    const size_t in_channels = arguments.shape.in_channels;
    const size_t out_channels = arguments.shape.out_channels;
    const Number* weights = arguments.weights + channel * (1 + in_channels);
    Vector sums[kRows * kVectors];
    if constexpr (kVectors == kWidest) {
      SumWidest(arguments.input + row * in_channels, weights, in_channels, sums);
    } else {
      Unroll<kRows>([&](auto r) NEONSENSE_INLINE_BODY {
        const Number* bias = weights;
        Vector::template LoadNext<kVectors>(bias, 0, sums + r.value * kVectors);
      });
      Sum<kVectors>(arguments.input + row * in_channels, weights + kGroup, in_channels, sums);
    }
    Activate(arguments.activation, sums);

    // Of the last channels too much is computed.
    const size_t left = out_channels - channel;
    const bool is_whole = left >= kVectors * kLanes;
    Number beside[kRows * kVectors * kLanes];
    Number* const output = arguments.output + row * out_channels + channel;
    Number* to = is_whole ? output : beside;
    const size_t step = is_whole ? out_channels : kVectors * kLanes;
    Unroll<kRows>([&](auto r) NEONSENSE_INLINE_BODY {
      Unroll<kVectors>([&](auto v) NEONSENSE_INLINE_BODY {
        sums[r.value * kVectors + v.value].Store(to + r.value * step + v.value * kLanes);
      });
    });
    if (is_whole) return;
    for (size_t r = 0; r < kRows; r++) {
      for (size_t c = 0; c < left; c++) output[r * out_channels + c] = beside[r * step + c];
    }
  }

  static void Run(const Arguments& arguments, const PointwisePart& part) {
    for (size_t done = part.row_begin; done < part.row_end;) {
      // Where fewer rows are left, the tile reaches back over some that are done already.
      const size_t end = done + kRows < part.row_end ? done + kRows : part.row_end;
      const size_t row = end - kRows;
      for (size_t c = part.channel_begin; c < part.channel_end; c += kGroup) {
        const size_t left = part.channel_end - c;
        if (left > 2 * kLanes) {
          RunTile<3>(arguments, row, c);
        } else if (left > kLanes) {
          RunTile<2>(arguments, row, c);
        } else {
          RunTile<1>(arguments, row, c);
        }
      }
      done = end;
    }
  }
};

}  // namespace
}  // namespace neonsense::kernels
