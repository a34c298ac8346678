// The native image path against a slow reference in double precision.

#include <cmath>

#include <gtest/gtest.h>

#include "image/error.h"
#include "image/filter.h"
#include "image/preprocessor.h"
#include "image_reference.h"

namespace neonsense::image::test {
namespace {

constexpr PixelFormat kFormats[] = {PixelFormat::kRgb24, PixelFormat::kBgr24,   PixelFormat::kRgba,
                                    PixelFormat::kBgra,  PixelFormat::kGray,    PixelFormat::kYuv420p,
                                    PixelFormat::kNv12,  PixelFormat::kYuyv422, PixelFormat::kRgb565le};
constexpr const char* kNames[] = {"rgb24", "bgr24", "rgba", "bgra", "gray", "yuv420p", "nv12", "yuyv422", "rgb565le"};

class Collect final : public RowSink {
 public:
  explicit Collect(size_t row) : row_(row) {}
  void Put(uint32_t y, const float* row) override {
    EXPECT_EQ(y * row_, floats.size()) << "rows come from the top, each once";
    floats.insert(floats.end(), row, row + row_);
    // What the engine may read past a row's end.
    for (size_t i = 0; i < kSlackFloats; i++) sum_ += row[row_ + i];
  }

  std::vector<float> floats;

 private:
  size_t row_;
  volatile float sum_ = 0;
};

std::vector<float> InputOf(Preprocessor& preprocessor, const OwnPicture& picture) {
  Collect sink(preprocessor.preprocessing().size[1] * size_t{3});
  preprocessor.Run(picture.View(), sink);
  EXPECT_EQ(sink.floats.size(), preprocessor.output_size());
  return sink.floats;
}

double LargestDifference(const std::vector<float>& floats, const std::vector<double>& reference) {
  double largest = floats.size() == reference.size() ? 0 : INFINITY;
  for (size_t i = 0; i < reference.size(); i++) largest = std::max(largest, std::abs(floats[i] - reference[i]));
  return largest;
}

Preprocessing Base(Sides size) {
  Preprocessing p;
  p.size = size;
  p.mean = {0.485, 0.456, 0.406};
  p.std = {0.229, 0.224, 0.225};
  return p;
}

struct Case {
  const char* name;
  Preprocessing preprocessing;
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  const auto add = [&cases](const char* name, Sides size, auto change) {
    Preprocessing p = Base(size);
    change(p);
    cases.push_back({name, p});
  };
  add("thumbnail", {24, 28}, [](Preprocessing& p) { p.reduce = Sides{8, 8}; });
  add("area", {13, 11}, [](Preprocessing& p) { p.interpolation = Interpolation::kArea; });
  add("bilinear", {13, 11}, [](Preprocessing& p) {
    p.range = {-1, 1};
    p.mean = {0, 0, 0};
    p.std = {1, 1, 1};
  });
  add("antialiased", {13, 11}, [](Preprocessing& p) { p.antialias = true; });
  add("crop", {12, 12}, [](Preprocessing& p) {
    p.fit = Fit::kCrop;
    p.resize = 15;
    p.antialias = true;
  });
  add("cubic crop", {12, 10}, [](Preprocessing& p) {
    p.fit = Fit::kCrop;
    p.resize = 14;
    p.antialias = true;
    p.interpolation = Interpolation::kBicubic;
  });
  add("area crop", {12, 12}, [](Preprocessing& p) {
    p.fit = Fit::kCrop;
    p.resize = 15;
    p.interpolation = Interpolation::kArea;
  });
  add("thumbnail crop", {12, 12}, [](Preprocessing& p) {
    p.fit = Fit::kCrop;
    p.resize = 13;
    p.reduce = Sides{5, 7};
  });
  add("squashed crop", {12, 10}, [](Preprocessing& p) { p.resize = 16; });
  add("letterbox", {14, 17}, [](Preprocessing& p) {
    p.fit = Fit::kLetterbox;
    p.antialias = true;
    p.fill = {124, 116, 104};
  });
  add("area letterbox", {17, 14}, [](Preprocessing& p) {
    p.fit = Fit::kLetterbox;
    p.interpolation = Interpolation::kArea;
  });
  return cases;
}

// 1e-5 of the values' range: a step of 255 that came out otherwise would be 0.017.
constexpr double kTolerance = 1e-5;

class Formats : public testing::TestWithParam<size_t> {};

TEST_P(Formats, AgreeWithTheReferenceForAnySize) {
  const PixelFormat format = kFormats[GetParam()];
  constexpr uint32_t kSizes[][2] = {{1, 1},   {1, 2},   {2, 1},   {3, 3},   {5, 40},    {41, 7},   {12, 12},
                                    {33, 26}, {64, 48}, {61, 90}, {97, 53}, {301, 263}, {1009, 31}};
  for (const Case& test : Cases()) {
    Preprocessor preprocessor(test.preprocessing);
    for (const auto& [width, height] : kSizes) {
      const OwnPicture picture = RandomPicture(format, width, height, width * 100 + height, /*gap=*/width % 3);
      EXPECT_LT(LargestDifference(InputOf(preprocessor, picture), Reference(picture, test.preprocessing)), kTolerance)
          << test.name << ", " << width << " x " << height;
    }
  }
}

TEST_P(Formats, LookAtTheRegionAlone) {
  const PixelFormat format = kFormats[GetParam()];
  for (const Case& test : Cases()) {
    Preprocessor preprocessor(test.preprocessing);
    OwnPicture picture = RandomPicture(format, 67, 45, 7, /*gap=*/5);
    for (const Layout::Region& region :
         {Layout::Region{0, 0, 66, 44}, Layout::Region{1, 1, 30, 20}, Layout::Region{13, 8, 21, 37},
          Layout::Region{66, 44, 1, 1}, Layout::Region{3, 0, 1, 45}}) {
      picture.layout.region = region;
      EXPECT_LT(LargestDifference(InputOf(preprocessor, picture), Reference(picture, test.preprocessing)), kTolerance)
          << test.name << ", " << region.width << " x " << region.height << " at " << region.x << ", " << region.y;
    }
  }
}

TEST_P(Formats, ConvertByTheMatrixAndRangeGiven) {
  const PixelFormat format = kFormats[GetParam()];
  for (const Case& test : Cases()) {
    Preprocessor preprocessor(test.preprocessing);
    OwnPicture picture = RandomPicture(format, 37, 41, 9);
    for (Matrix matrix : {Matrix::kBt601, Matrix::kBt709}) {
      for (Range range : {Range::kLimited, Range::kFull}) {
        picture.layout.matrix = matrix;
        picture.layout.range = range;
        EXPECT_LT(LargestDifference(InputOf(preprocessor, picture), Reference(picture, test.preprocessing)), kTolerance)
            << test.name;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Of, Formats, testing::Range(size_t{0}, std::size(kFormats)),
                         [](const auto& info) { return std::string(kNames[info.param]); });

TEST(Alpha, IsLaidOverWhiteWhereverItIs) {
  for (const Case& test : Cases()) {
    Preprocessor preprocessor(test.preprocessing);
    for (PixelFormat format : {PixelFormat::kRgba, PixelFormat::kBgra}) {
      OwnPicture picture = RandomPicture(format, 61, 300, 3, /*gap=*/4, /*transparent=*/true);
      EXPECT_LT(LargestDifference(InputOf(preprocessor, picture), Reference(picture, test.preprocessing)), kTolerance)
          << test.name;
      // One pixel that is not opaque, among rows that are summed at once.
      picture = RandomPicture(format, 61, 300, 4);
      picture.bytes[(177 * 61 + 33) * 4 + 3] = 40;
      EXPECT_LT(LargestDifference(InputOf(preprocessor, picture), Reference(picture, test.preprocessing)), kTolerance)
          << test.name;
    }
  }
}

TEST(Area, SumsTallAndWidePicturesExactly) {
  Preprocessing p = Base({2, 2});
  p.interpolation = Interpolation::kArea;
  Preprocessor preprocessor(p);
  // More rows than fit 16 bits at once, and more columns than fit 32.
  for (const auto& [width, height] : {std::pair{3u, 1999u}, std::pair{140'001u, 5u}}) {
    OwnPicture picture = RandomPicture(PixelFormat::kRgb24, width, height, 5);
    EXPECT_LT(LargestDifference(InputOf(preprocessor, picture), Reference(picture, p)), kTolerance);
    std::fill(picture.bytes.begin(), picture.bytes.end(), uint8_t{255});
    const std::vector<float> white = InputOf(preprocessor, picture);
    for (size_t i = 0; i < white.size(); i++) EXPECT_NEAR(white[i], (1 - p.mean[i % 3]) / p.std[i % 3], kTolerance);
  }
}

TEST(Frames, OfOtherSizesInTurnAreNotMixedUp) {
  for (const Case& test : Cases()) {
    Preprocessor preprocessor(test.preprocessing);
    for (int round = 0; round < 2; round++) {
      for (PixelFormat format :
           {PixelFormat::kRgba, PixelFormat::kNv12, PixelFormat::kRgb565le, PixelFormat::kYuyv422}) {
        for (uint32_t side : {20u, 61u, 9u}) {
          const OwnPicture picture = RandomPicture(format, side, 50 - side / 2, side + round);
          EXPECT_LT(LargestDifference(InputOf(preprocessor, picture), Reference(picture, test.preprocessing)),
                    kTolerance);
        }
      }
    }
  }
}

TEST(Filter, IsTheSameWithAndWithoutTheCpusOwnInstructions) {
  std::vector<uint8_t> row = RandomPicture(PixelFormat::kRgb24, 301, 1, 1).bytes;
  row.resize(row.size() + RgbRows::kSlackBytes);
  for (Interpolation interpolation : {Interpolation::kBilinear, Interpolation::kBicubic}) {
    for (uint32_t target : {1u, 7u, 40u, 299u, 301u, 500u}) {
      FilterAxis axis;
      MakeFilterAxis({0, 301, target, 0, target}, interpolation, &axis);
      std::vector<uint8_t> ours(target * 3), portable(target * 3);
      FilterAcross(row.data(), 0, axis, ours.data());
      portable::FilterAcross(row.data(), 0, axis, portable.data());
      EXPECT_EQ(ours, portable);

      const size_t bytes = 77;
      const OwnPicture rows = RandomPicture(PixelFormat::kGray, 77 + kFilterSlack, 301, 2);
      std::vector<uint8_t> down(bytes + kFilterSlack), portable_down(bytes + kFilterSlack);
      for (size_t i = 0; i < axis.size(); i++) {
        std::vector<const uint8_t*> pointers;
        for (uint32_t k = 0; k < axis.count[i]; k++) pointers.push_back(rows.View().Row(0, axis.first[i] + k));
        FilterDown(pointers.data(), axis, i, bytes, down.data());
        portable::FilterDown(pointers.data(), axis, i, bytes, portable_down.data());
        EXPECT_TRUE(std::equal(down.begin(), down.begin() + bytes, portable_down.begin()));
      }
    }
  }
}

TEST(View, RefusesRowsThatDoNotLieInTheMemoryGiven) {
  const std::vector<uint8_t> bytes(1000);
  for (PixelFormat format : kFormats) {
    const Layout good = RandomPicture(format, 7, 5, 1).layout;
    const size_t last = PlaneCount(format) - 1;
    const size_t needed = good.offsets[last] + good.strides[last] * RowCount(good, last);
    EXPECT_NO_THROW(Picture::View(bytes.data(), needed, good));
    EXPECT_THROW(Picture::View(bytes.data(), needed - 1, good), Error);
    const auto refuses = [&bytes, good](auto change) {
      Layout layout = good;
      change(layout);
      EXPECT_THROW(Picture::View(bytes.data(), bytes.size(), layout), Error);
    };
    refuses([](Layout& layout) { layout.width = 0; });
    refuses([](Layout& layout) { layout.height = kMostPixels + 1; });
    refuses([](Layout& layout) { layout.strides[0]--; });
    refuses([](Layout& layout) { layout.strides[0] = SIZE_MAX; });
    refuses([last](Layout& layout) { layout.offsets[last] = SIZE_MAX; });
    refuses([](Layout& layout) { layout.region = {1, 0, 7, 5}; });
    refuses([](Layout& layout) { layout.region = {0, 0, 0, 5}; });
    refuses([](Layout& layout) { layout.region = {UINT32_MAX, 0, 7, 5}; });
    refuses([](Layout& layout) { layout.region = {0, 6, 7, UINT32_MAX}; });
  }
}

TEST(Preprocessing, IsRefusedWhereItMakesNoSense) {
  const auto refuses = [](auto change) {
    Preprocessing p = Base({8, 8});
    change(p);
    EXPECT_THROW(Preprocessor{p}, Error);
  };
  refuses([](Preprocessing& p) { p.size = {0, 8}; });
  refuses([](Preprocessing& p) { p.size = {8, kMostInput + 1}; });
  refuses([](Preprocessing& p) { p.reduce = Sides{0, 1}; });
  refuses([](Preprocessing& p) { p.fit = Fit::kCrop; });
  refuses([](Preprocessing& p) { p.resize = 7; });
  refuses([](Preprocessing& p) { p.interpolation = Interpolation::kBicubic; });
  refuses([](Preprocessing& p) {
    p.interpolation = Interpolation::kArea;
    p.antialias = true;
  });
  refuses([](Preprocessing& p) {
    p.reduce = Sides{4, 4};
    p.antialias = true;
  });
  refuses([](Preprocessing& p) { p.std[1] = 0; });
  refuses([](Preprocessing& p) { p.mean[2] = NAN; });
  refuses([](Preprocessing& p) { p.range = {1, 1}; });
  refuses([](Preprocessing& p) { p.fill[0] = 256; });
}

}  // namespace
}  // namespace neonsense::image::test
