// The JPEG reader against the transform's definition in double precision.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include <gtest/gtest.h>

#include "fuzz/check_jpeg.h"
#include "image/jpeg/exif.h"
#include "image/jpeg/file_source.h"
#include "image/jpeg/icc.h"
#include "image/jpeg/not_taken.h"
#include "image/jpeg/reader.h"
#include "jpeg_writer.h"

namespace neonsense::image::jpeg::test {
namespace {

using Sampling = std::vector<std::array<uint32_t, 2>>;
const Sampling kGray = {{1, 1}};
const Sampling kSamplings[] = {
    kGray, {{1, 1}, {1, 1}, {1, 1}}, {{2, 1}, {1, 1}, {1, 1}}, {{2, 2}, {1, 1}, {1, 1}}, {{1, 2}, {1, 1}, {1, 1}}};

// Samples of a component, row by row.
struct Samples {
  uint32_t width = 0, height = 0;
  std::vector<double> values;

  double& at(uint32_t x, uint32_t y) { return values[size_t{y} * width + x]; }
};

Samples Decoded(const File& file, size_t component) {
  const File::Part& part = file.parts[component];
  const Quantizer& quantizer = file.quantizers[component == 0 ? 0 : 1];
  Samples samples{part.blocks_across * 8, part.blocks_down * 8, {}};
  samples.values.resize(size_t{samples.width} * samples.height);
  std::array<std::array<double, 8>, 8> waves{};
  for (int k = 0; k < 8; k++) {
    for (int x = 0; x < 8; x++) {
      waves[k][x] = (k == 0 ? std::sqrt(0.5) : 1) / 2 * std::cos((2 * x + 1) * k * std::acos(-1.0) / 16);
    }
  }
  for (uint32_t i = 0; i < part.blocks.size(); i++) {
    for (uint32_t y = 0; y < 8; y++) {
      for (uint32_t x = 0; x < 8; x++) {
        double sum = 128;
        for (size_t k = 0; k < 64; k++) {
          const size_t place = kOrder[k];
          sum += part.blocks[i][place] * quantizer[k] * waves[place / 8][y] * waves[place % 8][x];
        }
        samples.at(i % part.blocks_across * 8 + x, i / part.blocks_across * 8 + y) = sum;
      }
    }
  }
  return samples;
}

// Where Exif says the first row and the first column are seen, 1 to 8.
Samples Upright(Samples stored, uint32_t orientation) {
  Samples upright = stored;
  if (orientation > 4) std::swap(upright.width, upright.height);
  for (uint32_t y = 0; y < upright.height; y++) {
    for (uint32_t x = 0; x < upright.width; x++) {
      const uint32_t left = stored.width - 1, bottom = stored.height - 1;
      const std::array<uint32_t, 2> from[] = {{x, y}, {left - x, y},   {left - x, bottom - y}, {x, bottom - y},
                                              {y, x}, {y, bottom - x}, {left - y, bottom - x}, {left - y, x}};
      upright.at(x, y) = stored.at(from[orientation - 1][0], from[orientation - 1][1]);
    }
  }
  return upright;
}

Picture ReadAll(Reader& reader, const std::vector<uint8_t>& bytes, uint32_t factor) {
  MemorySource source({bytes.data(), bytes.size()});
  reader.Open(source);
  return reader.Read(factor);
}

bool IsTaken(const std::vector<uint8_t>& bytes, uint32_t factor = 1) {
  Reader reader;
  try {
    ReadAll(reader, bytes, factor);
    return true;
  } catch (const NotTaken&) {
    return false;
  }
}

// All samples, of blocks that stick out of the picture too.
void ExpectAverages(Reader& reader, const File& file, uint32_t factor) {
  const Picture picture = ReadAll(reader, Write(file), factor);
  const Layout& layout = picture.layout();
  const bool turned = file.orientation > 4;
  EXPECT_EQ(reader.width(), turned ? file.height : file.width);
  EXPECT_EQ(reader.height(), turned ? file.width : file.height);
  for (size_t i = 0; i < file.parts.size(); i++) {
    SCOPED_TRACE("component " + std::to_string(i));
    Samples expected = Upright(Decoded(file, i), file.orientation);
    const uint32_t width = static_cast<uint32_t>(RowBytes(layout, i));
    const uint32_t height = static_cast<uint32_t>(RowCount(layout, i));
    const uint32_t across = expected.width / width, down = expected.height / height;
    ASSERT_EQ(expected.width % width + expected.height % height, 0u);
    // No component is divided by more than luma is.
    EXPECT_LE(layout.samples[i].across, std::max(factor, 2u));
    EXPECT_LE(layout.samples[i].down, std::max(factor, 2u));
    for (uint32_t y = 0; y < height; y++) {
      for (uint32_t x = 0; x < width; x++) {
        double sum = 0;
        for (uint32_t j = 0; j < across * down; j++) sum += expected.at(x * across + j % across, y * down + j / across);
        const double sample = std::clamp(sum / (across * down), 0.0, 255.0);
        ASSERT_NEAR(picture.Row(i, y)[x], sample, 0.502) << x << ", " << y;
      }
    }
  }
}

TEST(JpegReader, GivesAveragesOfEverySamplingAtEveryFactor) {
  Reader reader;
  uint32_t seed = 1;
  for (const Sampling& sampling : kSamplings) {
    for (const auto& [width, height] : {std::array<uint32_t, 2>{1, 1}, {33, 47}, {64, 32}}) {
      for (uint32_t factor : {1, 2, 4, 8}) {
        SCOPED_TRACE(std::to_string(sampling[0][0]) + " x " + std::to_string(sampling[0][1]) + " of " +
                     std::to_string(sampling.size()) + ", " + std::to_string(width) + " x " + std::to_string(height) +
                     ", at 1 / " + std::to_string(factor));
        ExpectAverages(reader, RandomFile(width, height, sampling, seed++), factor);
      }
    }
  }
}

TEST(JpegReader, TurnsPicturesUpright) {
  Reader reader;
  for (const Sampling& sampling : kSamplings) {
    for (uint32_t orientation = 1; orientation <= 8; orientation++) {
      for (uint32_t factor : {1, 2, 4, 8}) {
        SCOPED_TRACE("orientation " + std::to_string(orientation) + " at 1 / " + std::to_string(factor));
        File file = RandomFile(37, 21, sampling, orientation);
        file.orientation = orientation;
        ExpectAverages(reader, file, factor);
      }
    }
  }
}

TEST(JpegReader, SaysWhichPartThePictureHas) {
  const std::array<uint32_t, 2> corners[] = {{0, 0}, {11, 0}, {11, 11}, {0, 11}, {0, 0}, {11, 0}, {11, 11}, {0, 11}};
  for (uint32_t orientation = 1; orientation <= 8; orientation++) {
    Reader reader;
    File file = RandomFile(37, 21, kSamplings[3], 1);
    file.orientation = orientation;
    const Layout layout = ReadAll(reader, Write(file), 2).layout();
    const bool turned = orientation > 4;
    EXPECT_EQ(layout.width, turned ? 32u : 48u);
    EXPECT_EQ(layout.height, turned ? 48u : 32u);
    EXPECT_EQ(layout.region.width, turned ? 21u : 37u);
    EXPECT_EQ(layout.region.height, turned ? 37u : 21u);
    EXPECT_EQ(layout.region.x, corners[orientation - 1][0]) << orientation;
    EXPECT_EQ(layout.region.y, corners[orientation - 1][1]) << orientation;
  }
}

TEST(JpegReader, FollowsRestartMarkers) {
  Reader reader;
  for (uint32_t restart : {1, 3, 9}) {
    File file = RandomFile(150, 70, kSamplings[3], restart);
    file.restart = restart;
    ExpectAverages(reader, file, 2);
    std::vector<uint8_t> bytes = Write(file);
    for (size_t i = 0; i + 1 < bytes.size(); i++) {
      if (bytes[i] != 0xff || bytes[i + 1] < 0xd0 || bytes[i + 1] > 0xd7) continue;
      std::vector<uint8_t> wrong = bytes;
      wrong[i + 1] ^= 1;
      EXPECT_FALSE(IsTaken(wrong)) << "a marker out of order";
      wrong = bytes;
      wrong.insert(wrong.begin() + static_cast<ptrdiff_t>(i), 2, 0xff);
      EXPECT_TRUE(IsTaken(wrong)) << "markers may be filled up";
    }
  }
}

TEST(JpegReader, ReadsWindowAfterWindow) {
  // More bytes than are held at once.
  Reader reader;
  const File file = RandomFile(400, 300, kSamplings[1], 5);
  EXPECT_GT(Write(file).size(), 80'000u);
  ExpectAverages(reader, file, 1);
  ExpectAverages(reader, file, 8);
}

TEST(JpegReader, LeavesEveryFileThatEndsEarly) {
  const std::vector<uint8_t> bytes = Write(RandomFile(40, 40, kSamplings[3], 3));
  ASSERT_TRUE(IsTaken(bytes));
  for (size_t size = 0; size < bytes.size(); size++) {
    // Memory of exactly this size, so that a byte too far is seen.
    EXPECT_FALSE(IsTaken({bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size)}, size % 2 == 0 ? 1 : 4)) << size;
  }
}

TEST(JpegReader, SurvivesEveryWrongByte) {
  const std::vector<uint8_t> bytes = Write(RandomFile(24, 17, kSamplings[3], 4));
  Reader reader;
  for (size_t i = 0; i < bytes.size(); i++) {
    for (uint8_t wrong : {0x00, 0xff, bytes[i] ^ 0x01, bytes[i] ^ 0x80}) {
      std::vector<uint8_t> copy = bytes;
      copy[i] = wrong;
      fuzz::CheckJpeg(copy.data(), copy.size());
    }
  }
}

TEST(JpegReader, LeavesWhatTakesTooMuchMemory) {
  File file = RandomFile(16, 16, kGray, 1);
  file.width = file.height = 65'535;
  EXPECT_FALSE(IsTaken(Write(file)));
  Reader reader;
  const std::vector<uint8_t> bytes = Write(RandomFile(64, 64, kGray, 1));
  MemorySource source({bytes.data(), bytes.size()});
  reader.Open(source);
  EXPECT_THROW(reader.Read(1, 64 * 64 - 1), NotTaken);
}

TEST(JpegReader, ReadsFilesAndNothingElse) {
  const std::filesystem::path folder = std::filesystem::temp_directory_path();
  EXPECT_THROW(FileSource(folder.native()), NotTaken);
  EXPECT_THROW(FileSource((folder / "none of this name").native()), NotTaken);
  EXPECT_THROW(FileSource("/dev/null"), NotTaken);
  const std::filesystem::path path = folder / ("neonsense-" + std::to_string(std::random_device()()) + ".jpg");
  const std::vector<uint8_t> bytes = Write(RandomFile(400, 300, kSamplings[1], 5));
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  Reader from_file, from_memory;
  FileSource source(path.native());
  from_file.Open(source);
  const Picture picture = from_file.Read(2), expected = ReadAll(from_memory, bytes, 2);
  std::filesystem::remove(path);
  const Layout& layout = picture.layout();
  for (size_t i = 0; i < 3; i++) {
    for (size_t y = 0; y < RowCount(layout, i); y++) {
      ASSERT_TRUE(std::equal(picture.Row(i, y), picture.Row(i, y) + RowBytes(layout, i), expected.Row(i, y)));
    }
  }
}

TEST(Exif, OfAnyBytesGivesAnOrientationOrNone) {
  std::vector<uint8_t> tiff = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 18, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0};
  EXPECT_EQ(OrientationOf(tiff.data(), tiff.size()), 6u);
  for (size_t size = 0; size < tiff.size(); size++) {
    const std::vector<uint8_t> part(tiff.begin(), tiff.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(OrientationOf(part.data(), part.size()), 1u);
  }
  for (size_t i = 4; i < 10; i++) {
    std::vector<uint8_t> wild = tiff;
    wild[i] = 0xff;
    OrientationOf(wild.data(), wild.size());
  }
}

// A profile of a display, as ICC.1 lays it out.
class ProfileWriter {
 public:
  explicit ProfileWriter(const std::array<std::array<double, 3>, 3>& primaries) {
    constexpr const char* kNames[] = {"rXYZ", "gXYZ", "bXYZ"};
    for (size_t i = 0; i < 3; i++) {
      std::vector<uint8_t> content = Text("XYZ ");
      Put(content, 0);
      for (const double value : primaries[i]) Put(content, Fixed(value));
      tags_.push_back({kNames[i], content});
    }
  }
  ProfileWriter& Add(const char* name, const std::vector<uint8_t>& content) {
    tags_.push_back({name, content});
    return *this;
  }
  ProfileWriter& AddCurves(const std::vector<uint8_t>& curve) {
    return Add("rTRC", curve).Add("gTRC", curve).Add("bTRC", curve);
  }
  std::vector<uint8_t> Write() const {
    std::vector<uint8_t> profile(128);
    std::copy_n("mntrRGB XYZ ", 12, profile.begin() + 12);
    std::copy_n("acsp", 4, profile.begin() + 36);
    Put(profile, static_cast<uint32_t>(tags_.size()));
    size_t at = profile.size() + tags_.size() * 12;
    for (const Tag& tag : tags_) {
      profile.insert(profile.end(), tag.name, tag.name + 4);
      Put(profile, static_cast<uint32_t>(at));
      Put(profile, static_cast<uint32_t>(tag.content.size()));
      at += tag.content.size();
    }
    for (const Tag& tag : tags_) profile.insert(profile.end(), tag.content.begin(), tag.content.end());
    return profile;
  }

  static std::vector<uint8_t> Table(size_t count, double (*light)(double)) {
    std::vector<uint8_t> curve = Text("curv");
    Put(curve, 0);
    Put(curve, static_cast<uint32_t>(count));
    for (size_t i = 0; i < count; i++) {
      const auto value =
          static_cast<uint32_t>(std::lround(65535 * light(static_cast<double>(i) / static_cast<double>(count - 1))));
      curve.push_back(static_cast<uint8_t>(value >> 8));
      curve.push_back(static_cast<uint8_t>(value));
    }
    return curve;
  }
  static std::vector<uint8_t> Formula(uint8_t kind, const std::vector<double>& parameters) {
    std::vector<uint8_t> curve = Text("para");
    Put(curve, 0);
    curve.insert(curve.end(), {0, kind, 0, 0});
    for (const double value : parameters) Put(curve, Fixed(value));
    return curve;
  }

 private:
  struct Tag {
    const char* name;
    std::vector<uint8_t> content;
  };

  static std::vector<uint8_t> Text(const char* text) { return {text, text + 4}; }
  static uint32_t Fixed(double value) { return static_cast<uint32_t>(std::lround(value * 65536)); }
  static void Put(std::vector<uint8_t>& bytes, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<uint8_t>(value >> shift));
  }

  std::vector<Tag> tags_;
};

// As profiles of sRGB say it, HP's of 1998 for one, and Display P3's.
const std::array<std::array<double, 3>, 3> kSrgb = {
    {{0.43607, 0.22249, 0.01392}, {0.38515, 0.71687, 0.09708}, {0.14307, 0.06061, 0.7141}}};
const std::array<std::array<double, 3>, 3> kDisplayP3 = {
    {{0.51512, 0.2412, -0.00105}, {0.29198, 0.69225, 0.04189}, {0.1571, 0.06657, 0.78407}}};
const std::vector<double> kSrgbFormula = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};

double SrgbLight(double colour) { return colour <= 0.04045 ? colour / 12.92 : std::pow((colour + 0.055) / 1.055, 2.4); }

bool IsSrgb(const std::vector<uint8_t>& profile) { return jpeg::IsSrgb(profile.data(), profile.size()); }

TEST(Icc, KnowsSrgbByItsFormulaAndByItsTable) {
  EXPECT_TRUE(IsSrgb(ProfileWriter(kSrgb).AddCurves(ProfileWriter::Formula(3, kSrgbFormula)).Write()));
  EXPECT_TRUE(IsSrgb(ProfileWriter(kSrgb).AddCurves(ProfileWriter::Table(1024, SrgbLight)).Write()));
}

TEST(Icc, LeavesOtherColours) {
  const std::vector<uint8_t> formula = ProfileWriter::Formula(3, kSrgbFormula);
  EXPECT_FALSE(IsSrgb(ProfileWriter(kDisplayP3).AddCurves(formula).Write()));
  EXPECT_FALSE(IsSrgb(ProfileWriter(kSrgb).Write()));
  EXPECT_FALSE(IsSrgb(ProfileWriter(kSrgb).AddCurves(formula).Add("A2B0", formula).Write()));
  const auto gamma = [](double colour) { return std::pow(colour, 2.2); };
  EXPECT_FALSE(IsSrgb(ProfileWriter(kSrgb).AddCurves(ProfileWriter::Table(1024, gamma)).Write()));
  EXPECT_FALSE(IsSrgb(ProfileWriter(kSrgb).AddCurves(ProfileWriter::Formula(0, {2.2})).Write()));
  // One of three is another.
  EXPECT_FALSE(IsSrgb(ProfileWriter(kSrgb)
                          .Add("rTRC", formula)
                          .Add("gTRC", ProfileWriter::Table(256, gamma))
                          .Add("bTRC", formula)
                          .Write()));
}

TEST(Icc, OfAnyBytesSaysYesOrNo) {
  const std::vector<uint8_t> profile = ProfileWriter(kSrgb).AddCurves(ProfileWriter::Formula(3, kSrgbFormula)).Write();
  for (size_t length = 0; length < profile.size(); length++) {
    // In memory of its own, so that a sanitizer sees what lies behind it.
    const std::vector<uint8_t> part(profile.begin(), profile.begin() + static_cast<ptrdiff_t>(length));
    EXPECT_FALSE(IsSrgb(part)) << length;
  }
  std::mt19937 random(3);
  for (int round = 0; round < 20000; round++) {
    std::vector<uint8_t> wild = profile;
    for (int i = 0; i < 3; i++) wild[random() % wild.size()] = static_cast<uint8_t>(random());
    IsSrgb(wild);
  }
}

TEST(Corpus, OfJpegFilesIsLeftOrRead) {
  size_t read = 0, files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(NEONSENSE_FUZZ_CORPUS "/jpeg")) {
    SCOPED_TRACE(entry.path().filename().string());
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
    read += fuzz::CheckJpeg(bytes.data(), bytes.size());
    files++;
  }
  EXPECT_GE(files, 5u);
  EXPECT_GE(read, files / 2);
}

}  // namespace
}  // namespace neonsense::image::jpeg::test
