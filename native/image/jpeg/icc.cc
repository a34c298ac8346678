#include "image/jpeg/icc.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace neonsense::image::jpeg {
namespace {

constexpr size_t kHeaderBytes = 128, kEntryBytes = 12;

// Primaries of sRGB adapted to the white of profiles, D50, as X, Y and Z.
constexpr std::array<std::array<double, 3>, 3> kPrimaries = {
    {{0.43607, 0.22249, 0.01392}, {0.38515, 0.71687, 0.09708}, {0.14307, 0.06061, 0.71410}}};
// Profiles of sRGB round them in different ways. Those of Display P3 are further away than 0.07.
constexpr double kPrimaryTolerance = 0.002;
// Of a colour from 0 to 1: three quarters of a step of 8 bits. A gamma of 2.2 is further away.
constexpr double kCurveTolerance = 0.003;

struct Tag {
  const uint8_t* data = nullptr;
  size_t size = 0;

  bool IsOf(const char* type, size_t least) const { return size >= least && std::memcmp(data, type, 4) == 0; }
};

uint32_t Short(const uint8_t* data) { return uint32_t{data[0]} << 8 | data[1]; }
uint32_t Long(const uint8_t* data) { return Short(data) << 16 | Short(data + 2); }
// With 16 bits behind the point.
double Fixed(const uint8_t* data) { return static_cast<int32_t>(Long(data)) / 65536.0; }

class Profile {
 public:
  Profile(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  bool IsOfDisplay() const {
    return size_ >= kHeaderBytes + 4 && Says(12, "mntr") && Says(16, "RGB ") && Says(20, "XYZ ") && Says(36, "acsp");
  }
  // Empty where there is none, or one that does not lie in the profile.
  Tag Find(const char* signature) const {
    const size_t count = std::min<size_t>(Long(data_ + kHeaderBytes), (size_ - kHeaderBytes - 4) / kEntryBytes);
    for (size_t i = 0; i < count; i++) {
      const uint8_t* const entry = data_ + kHeaderBytes + 4 + i * kEntryBytes;
      if (std::memcmp(entry, signature, 4) != 0) continue;
      const size_t offset = Long(entry + 4), size = Long(entry + 8);
      if (offset > size_ || size > size_ - offset) return {};
      return {data_ + offset, size};
    }
    return {};
  }

 private:
  bool Says(size_t at, const char* text) const { return std::memcmp(data_ + at, text, 4) == 0; }

  const uint8_t* data_;
  size_t size_;
};

// The light that a colour from 0 to 1 stands for, by a curve; below 0 where it is of a kind that sRGB is not given as.
double Light(const Tag& curve, double colour) {
  if (curve.IsOf("curv", 12)) {
    const size_t count = Long(curve.data + 8);
    if (count < 2 || count > (curve.size - 12) / 2) return -1;
    const double place = colour * static_cast<double>(count - 1);
    const size_t low = std::min(static_cast<size_t>(place), count - 2);
    const double first = Short(curve.data + 12 + 2 * low), second = Short(curve.data + 14 + 2 * low);
    return (first + (second - first) * (place - static_cast<double>(low))) / 65535;
  }
  // A power above a threshold, a line below.
  if (curve.IsOf("para", 32) && Short(curve.data + 8) == 3) {
    const auto parameter = [&](size_t i) { return Fixed(curve.data + 12 + 4 * i); };
    if (colour < parameter(4)) return parameter(3) * colour;
    return std::pow(parameter(1) * colour + parameter(2), parameter(0));
  }
  return -1;
}

bool IsSrgbCurve(const Tag& curve) {
  constexpr int kSteps = 255;
  for (int i = 0; i <= kSteps; i++) {
    const double colour = static_cast<double>(i) / kSteps;
    const double light = Light(curve, colour);
    const double found = light <= 0.0031308 ? light * 12.92 : 1.055 * std::pow(light, 1 / 2.4) - 0.055;
    // So written that what is no number differs.
    if (!(light >= 0 && std::abs(found - colour) <= kCurveTolerance)) return false;
  }
  return true;
}

}  // namespace

bool IsSrgb(const uint8_t* data, size_t size) {
  const Profile profile(data, size);
  if (!profile.IsOfDisplay()) return false;
  // Tables, which stand above primaries and curves.
  for (const char* const tables : {"A2B0", "A2B1", "A2B2", "D2B0", "D2B1", "D2B2", "D2B3"}) {
    if (profile.Find(tables).data != nullptr) return false;
  }
  const std::array<const char*, 3> primaries = {"rXYZ", "gXYZ", "bXYZ"}, curves = {"rTRC", "gTRC", "bTRC"};
  const uint8_t* checked = nullptr;
  for (size_t i = 0; i < 3; i++) {
    const Tag primary = profile.Find(primaries[i]);
    if (!primary.IsOf("XYZ ", 20)) return false;
    for (size_t axis = 0; axis < 3; axis++) {
      if (std::abs(Fixed(primary.data + 8 + 4 * axis) - kPrimaries[i][axis]) > kPrimaryTolerance) return false;
    }
    const Tag curve = profile.Find(curves[i]);
    // Most profiles have one curve for all three.
    if (curve.data == nullptr || (curve.data != checked && !IsSrgbCurve(curve))) return false;
    checked = curve.data;
  }
  return true;
}

}  // namespace neonsense::image::jpeg
