#include "image/preprocessing.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "image/error.h"

namespace neonsense::image {
namespace {

bool IsSide(uint32_t pixels) { return pixels >= 1 && pixels <= kMostInput; }

void Require(bool condition, const char* what) {
  if (!condition) throw Error(std::string("This preprocessing can't be used: ") + what);
}

// To the nearest whole number, ties to the even one, as Python's round. For numbers of at least 0.
uint64_t HalfEven(double value) {
  const double floor = std::floor(value);
  const double rest = value - floor;
  const auto whole = static_cast<uint64_t>(floor);
  return whole + (rest > 0.5 || (rest == 0.5 && whole % 2 == 1) ? 1 : 0);
}

Placement Letterbox(const Sides& size, const Sides& picture) {
  Placement placement;
  const double ratio = std::max(static_cast<double>(picture[0]) / size[0], static_cast<double>(picture[1]) / size[1]);
  for (size_t axis = 0; axis < 2; axis++) {
    const uint64_t exact = HalfEven(picture[axis] / ratio);
    placement.seen[axis] = static_cast<uint32_t>(std::clamp<uint64_t>(exact, 1, size[axis]));
    placement.resized[axis] = placement.seen[axis];
    placement.place[axis] = (size[axis] - placement.seen[axis]) / 2;
  }
  return placement;
}

}  // namespace

const char* ToString(Fit fit) { return fit == Fit::kSquash ? "squash" : fit == Fit::kCrop ? "crop" : "letterbox"; }

const char* ToString(Interpolation interpolation) {
  switch (interpolation) {
    case Interpolation::kBilinear:
      return "bilinear";
    case Interpolation::kBicubic:
      return "bicubic";
    default:
      return "area";
  }
}

void Validate(const Preprocessing& p) {
  Require(IsSide(p.size[0]) && IsSide(p.size[1]), "its size");
  Require(!p.reduce || (IsSide((*p.reduce)[0]) && IsSide((*p.reduce)[1])), "its reduce");
  Require(p.resize == 0 ? p.fit != Fit::kCrop
                        : p.fit != Fit::kLetterbox && IsSide(p.resize) && p.resize >= std::max(p.size[0], p.size[1]),
          "its resize");
  Require(p.interpolation == Interpolation::kBilinear || p.antialias == (p.interpolation == Interpolation::kBicubic),
          "its antialias");
  Require(!p.reduce || (p.fit != Fit::kLetterbox && p.interpolation == Interpolation::kBilinear && !p.antialias),
          "reduce beside what it has");
  Require(std::isfinite(p.range[0]) && std::isfinite(p.range[1]) && p.range[0] < p.range[1], "its range");
  for (size_t c = 0; c < 3; c++) {
    Require(std::isfinite(p.mean[c]) && std::isfinite(p.std[c]) && p.std[c] > 0, "its mean and std");
    Require(p.fill[c] >= 0 && p.fill[c] <= 255, "its fill");
  }
}

Placement PlacementOf(const Preprocessing& p, const Sides& picture) {
  if (p.fit == Fit::kLetterbox) return Letterbox(p.size, picture);
  Placement placement;
  placement.seen = p.size;
  const auto [shorter, longer] = std::minmax(picture[0], picture[1]);
  // In double, as Python divides.
  const auto scaled = static_cast<uint64_t>(static_cast<double>(uint64_t{p.resize} * longer) / shorter);
  for (size_t axis = 0; axis < 2; axis++) {
    placement.resized[axis] = p.resize == 0                                       ? p.size[axis]
                              : p.fit == Fit::kSquash || picture[axis] == shorter ? p.resize
                                                                                  : scaled;
    placement.from[axis] = HalfEven(static_cast<double>(placement.resized[axis] - p.size[axis]) / 2);
  }
  return placement;
}

uint32_t ReductionOf(const Preprocessing& preprocessing, const Sides& picture, const Detail& detail) {
  const Placement placement = PlacementOf(preprocessing, picture);
  const bool area = preprocessing.reduce || preprocessing.interpolation == Interpolation::kArea;
  bool averages = false;
  uint32_t reduction = 8;
  for (size_t axis = 0; axis < 2; axis++) {
    const uint64_t resized = placement.resized[axis];
    const uint64_t cells = preprocessing.reduce ? (*preprocessing.reduce)[axis] : placement.seen[axis];
    averages = averages || uint64_t{picture[axis]} * placement.seen[axis] > cells * resized;
    uint64_t kept = resized * detail.per_pixel;
    if (preprocessing.reduce) kept = std::min(kept, cells * detail.per_cell);
    while (reduction > 1 && picture[axis] / reduction < kept) reduction /= 2;
  }
  return area && averages && !preprocessing.antialias ? reduction : 0;
}

}  // namespace neonsense::image
