#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace neonsense::image {

enum class Fit { kSquash, kCrop, kLetterbox };
enum class Interpolation { kBilinear, kBicubic, kArea };

// By which lib/model/preprocessing.ts knows them.
const char* ToString(Fit fit);
const char* ToString(Interpolation interpolation);

// Rows first, then columns.
using Sides = std::array<uint32_t, 2>;

// Longest side of the network's input, and of what a picture is resized to before it is cropped.
constexpr uint32_t kMostInput = 65'535;

// How pixels become the network's input; lib/model/preprocessing.ts says what each field means.
struct Preprocessing {
  Fit fit = Fit::kSquash;
  uint32_t resize = 0;  // 0: none
  std::optional<Sides> reduce;
  Sides size{};
  Interpolation interpolation = Interpolation::kBilinear;
  bool antialias = false;
  std::array<double, 3> fill{};  // for letterbox, RGB, 0 to 255
  std::array<double, 2> range{0, 1};
  std::array<double, 3> mean{};
  std::array<double, 3> std{1, 1, 1};
};

// Throws Error for numbers out of range and fields that do not go together.
void Validate(const Preprocessing& preprocessing);

// How much of a picture is kept where it can be had smaller: so many pixels each way for each one that it is resized
// to, or for each cell of an average, whichever is less. lib/image/atLeast.ts says how many.
struct Detail {
  uint32_t per_pixel = 0;
  uint32_t per_cell = 0;
};

// Where the pixels of a picture go: it is resized to `resized`, of which `seen` pixels from `from` on are taken and put
// at `place` of the network's input.
struct Placement {
  std::array<uint64_t, 2> resized{};
  std::array<uint64_t, 2> from{};
  Sides seen{};
  Sides place{};
};

// As torchvision's Resize and CenterCrop, and timm's ResizeKeepRatio and CenterCropOrPad, round.
Placement PlacementOf(const Preprocessing& preprocessing, const Sides& picture);

// By what the sides of a picture may be divided, 8, 4, 2 or 1, so that so much detail is kept. 0 where its pixels are
// not averaged: then each of them counts.
uint32_t ReductionOf(const Preprocessing& preprocessing, const Sides& picture, const Detail& detail);

}  // namespace neonsense::image
