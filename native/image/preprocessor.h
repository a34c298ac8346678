#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "image/area.h"
#include "image/axis.h"
#include "image/colour.h"
#include "image/picture.h"
#include "image/preprocessing.h"

namespace neonsense::image {

// Takes the rows of the network's input, from the top, each once.
class RowSink {
 public:
  // Floats that may be read past the end of a row.
  static constexpr size_t kSlackFloats = 16;

  virtual void Put(uint32_t y, const float* row) = 0;

 protected:
  ~RowSink() = default;
};

// Makes a network's input of pictures. Keeps what it needs from one to the next, so that a stream of frames of one size
// allocates nothing. One picture at a time.
class Preprocessor {
 public:
  // Throws Error where the preprocessing can't be used.
  explicit Preprocessor(const Preprocessing& preprocessing);

  const Preprocessing& preprocessing() const { return preprocessing_; }
  // Floats of the network's input.
  size_t output_size() const { return size_t{preprocessing_.size[0]} * preprocessing_.size[1] * 3; }

  // Rows of [width, 3] of the input's size.
  void Run(const Picture& picture, RowSink& sink);

 private:
  // A row of floats and which of the source it was made of.
  struct Line {
    std::vector<float> row;
    uint32_t y = UINT32_MAX;
  };

  void Prepare(const Layout& layout);
  void Put(uint32_t y, RowSink& sink);
  void Interpolate(const Picture& picture, RowSink& sink);
  void Filter(const Picture& picture, RowSink& sink);
  void Widen(uint32_t y, Line* line);
  float Normalized(double value, size_t channel) const;
  // A row of averages, `count` a multiple of 3.
  void Normalize(const float* values, size_t count, float* output) const;
  // Where the part of the row that shows the picture begins.
  float* Seen() { return row_.data() + placement_.place[1] * size_t{3}; }

  const Preprocessing preprocessing_;
  std::array<float, 3> mean_{}, std_{};
  std::array<float, 256 * 3> codes_{};  // what the 256 values of each channel become

  // For pictures that lie like this one.
  Layout layout_;
  Placement placement_;
  bool averages_ = false;
  bool averages_alone_ = false;  // nothing is left to interpolate
  std::array<AreaAxis, 2> area_, chroma_area_;
  std::array<BilinearAxis, 2> bilinear_;
  std::array<FilterAxis, 2> filter_;

  AreaRows area_rows_;
  RgbRows rgb_rows_;
  std::vector<float> fill_, row_, averages_row_;
  std::vector<float> means_, stds_;  // of as many values as a row of averages has
  std::array<Line, 2> lines_;
  std::vector<uint8_t> narrowed_;
  std::vector<const uint8_t*> narrowed_rows_;
};

}  // namespace neonsense::image
