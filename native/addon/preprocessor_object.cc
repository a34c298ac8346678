#include "addon/preprocessor_object.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "addon/convert.h"
#include "addon/values.h"
#include "image/jpeg/not_taken.h"

namespace neonsense::addon {
namespace {

constexpr napi_type_tag kTag = {0x6e656f6e73656e73, 0x70726570726f6373};

// A copy that is larger than this is not kept for the next picture: an ordinary frame is smaller.
constexpr size_t kMostKept = size_t{64} << 20;
// As for samples of JPEG files: twice what a square picture leaves for a network of 224.
constexpr size_t kMostSamplesKept = size_t{4} << 20;

constexpr image::PixelFormat kFormats[] = {
    image::PixelFormat::kRgb24, image::PixelFormat::kBgr24,   image::PixelFormat::kRgba,
    image::PixelFormat::kBgra,  image::PixelFormat::kGray,    image::PixelFormat::kYuv420p,
    image::PixelFormat::kNv12,  image::PixelFormat::kYuyv422, image::PixelFormat::kRgb565le};
constexpr image::Matrix kMatrices[] = {image::Matrix::kBt601, image::Matrix::kBt709};
constexpr image::Range kRanges[] = {image::Range::kLimited, image::Range::kFull};
constexpr image::Fit kFits[] = {image::Fit::kSquash, image::Fit::kCrop, image::Fit::kLetterbox};
constexpr image::Interpolation kInterpolations[] = {image::Interpolation::kBilinear, image::Interpolation::kBicubic,
                                                    image::Interpolation::kArea};

template <size_t N>
std::array<double, N> NumbersOf(const Napi::Value& value, const std::string& what) {
  const Napi::Array array = ArrayOf(value, what);
  if (array.Length() != N) Fail(value.Env(), what, "an array of the right length");
  std::array<double, N> numbers{};
  for (uint32_t i = 0; i < N; i++) numbers[i] = NumberOf(array.Get(i), what);
  return numbers;
}

// Reads a `NativePreprocessing`. Checks types only; image::Validate checks what it means.
image::Preprocessing PreprocessingFromJs(const Napi::Value& value) {
  const Napi::Object object = ObjectOf(value, "preprocessing");
  image::Preprocessing preprocessing;
  preprocessing.fit = EnumOf(object.Get("fit"), "preprocessing.fit", kFits);
  preprocessing.resize = IntegerOf<uint32_t>(object.Get("resize"), "preprocessing.resize");
  const Napi::Value reduce = object.Get("reduce");
  if (!reduce.IsUndefined()) preprocessing.reduce = IntegersOf<uint32_t, 2>(reduce, "preprocessing.reduce");
  preprocessing.size = IntegersOf<uint32_t, 2>(object.Get("size"), "preprocessing.size");
  preprocessing.interpolation = EnumOf(object.Get("interpolation"), "preprocessing.interpolation", kInterpolations);
  preprocessing.antialias = BooleanOf(object.Get("antialias"), "preprocessing.antialias");
  preprocessing.fill = NumbersOf<3>(object.Get("fill"), "preprocessing.fill");
  preprocessing.range = NumbersOf<2>(object.Get("range"), "preprocessing.range");
  preprocessing.mean = NumbersOf<3>(object.Get("mean"), "preprocessing.mean");
  preprocessing.std = NumbersOf<3>(object.Get("std"), "preprocessing.std");
  return preprocessing;
}

// A Uint8Array or Uint8ClampedArray.
Napi::TypedArray BytesOf(const Napi::Value& value, const char* what) {
  if (value.IsTypedArray()) {
    const auto array = value.As<Napi::TypedArray>();
    const napi_typedarray_type type = array.TypedArrayType();
    if (type == napi_uint8_array || type == napi_uint8_clamped_array) return array;
  }
  Fail(value.Env(), what, "a Uint8Array");
}

image::jpeg::Path PathOf(const Napi::Value& value, const std::string& what) {
  if (!value.IsString()) Fail(value.Env(), what, "a string");
#if defined(_WIN32)
  const std::u16string text = value.As<Napi::String>().Utf16Value();
  return {text.begin(), text.end()};
#else
  return value.As<Napi::String>().Utf8Value();
#endif
}

// Where the bytes of an array are now.
const uint8_t* DataOf(const Napi::TypedArray& array) {
  void* data = nullptr;
  napi_get_typedarray_info(array.Env(), array, nullptr, nullptr, &data, nullptr, nullptr);
  return static_cast<const uint8_t*>(data);
}

// Writes rows one after the other.
class Rows final : public image::RowSink {
 public:
  Rows(float* output, uint32_t width) : output_(output), row_(width * size_t{3}) {}
  void Put(uint32_t y, const float* row) override { std::memcpy(output_ + y * row_, row, row_ * sizeof(float)); }

 private:
  float* output_;
  size_t row_;
};

}  // namespace

image::Layout LayoutFromJs(const Napi::Value& value) {
  const Napi::Object object = ObjectOf(value, "layout");
  image::Layout layout;
  layout.format = EnumOf(object.Get("format"), "layout.format", kFormats);
  layout.width = IntegerOf<uint32_t>(object.Get("width"), "layout.width");
  layout.height = IntegerOf<uint32_t>(object.Get("height"), "layout.height");
  const Napi::Array strides = ArrayOf(object.Get("strides"), "layout.strides");
  const Napi::Array offsets = ArrayOf(object.Get("offsets"), "layout.offsets");
  for (uint32_t plane = 0; plane < image::PlaneCount(layout.format); plane++) {
    layout.strides[plane] = IntegerOf<uint32_t>(strides.Get(plane), "layout.strides");
    layout.offsets[plane] = IntegerOf<uint32_t>(offsets.Get(plane), "layout.offsets");
  }
  layout.matrix = EnumOf(object.Get("matrix"), "layout.matrix", kMatrices);
  layout.range = EnumOf(object.Get("range"), "layout.range", kRanges);
  const Napi::Object roi = ObjectOf(object.Get("roi"), "layout.roi");
  layout.region.x = IntegerOf<uint32_t>(roi.Get("x"), "layout.roi.x");
  layout.region.y = IntegerOf<uint32_t>(roi.Get("y"), "layout.roi.y");
  layout.region.width = IntegerOf<uint32_t>(roi.Get("width"), "layout.roi.width");
  layout.region.height = IntegerOf<uint32_t>(roi.Get("height"), "layout.roi.height");
  return layout;
}

JpegLimits JpegLimitsFromJs(const Napi::Value& value) {
  const Napi::Object object = ObjectOf(value, "limits");
  JpegLimits limits;
  limits.detail.per_pixel = IntegerOf<uint32_t>(object.Get("perPixel"), "limits.perPixel");
  limits.detail.per_cell = IntegerOf<uint32_t>(object.Get("perCell"), "limits.perCell");
  const double bytes = NumberOf(object.Get("bytes"), "limits.bytes");
  if (!(bytes >= 0)) Fail(value.Env(), "limits.bytes", "a number of bytes");
  constexpr double kMost = image::jpeg::Reader::kMostBytes;
  limits.bytes = static_cast<size_t>(std::min(bytes, kMost));
  return limits;
}

PictureInHand::PictureInHand(std::shared_ptr<PreprocessorState> state, TakenArrays pixels,
                             const image::Picture& picture)
    : state_(std::move(state)), pixels_(std::move(pixels)), picture_(picture) {
  state_->busy = true;
}

PictureInHand::~PictureInHand() {
  if (state_) state_->busy = false;
}

void PictureInHand::Preprocess(float* input) {
  image::Preprocessor& preprocessor = state_->preprocessor;
  Rows rows(input, preprocessor.preprocessing().size[1]);
  preprocessor.Run(picture_, rows);
}

void PictureInHand::Release(Napi::Env env) {
  pixels_.Release(env);
  state_->busy = false;
  if (state_->capacity > kMostKept) {
    state_->pixels.reset();
    state_->capacity = 0;
  }
  state_.reset();
}

JpegInHand::JpegInHand(std::shared_ptr<PreprocessorState> state, std::optional<image::jpeg::Path> path,
                       const JpegLimits& limits)
    : state_(std::move(state)), path_(std::move(path)), limits_(limits) {
  state_->busy = true;
}

JpegInHand::~JpegInHand() {
  if (state_) state_->busy = false;
}

void JpegInHand::Preprocess(float* input) {
  if (!state_->reader) state_->reader = std::make_unique<image::jpeg::Reader>();
  if (path_) {
    image::jpeg::FileSource source(*path_);
    Read(source, input);
  } else {
    image::jpeg::MemorySource source({state_->pixels.get(), state_->size});
    Read(source, input);
  }
}

void JpegInHand::Read(image::jpeg::Source& source, float* input) {
  using Clock = std::chrono::steady_clock;
  const auto milliseconds = [](Clock::duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
  };
  const auto start = Clock::now();
  image::jpeg::Reader& reader = *state_->reader;
  image::Preprocessor& preprocessor = state_->preprocessor;
  reader.Open(source);
  const uint32_t reduction =
      image::ReductionOf(preprocessor.preprocessing(), {reader.height(), reader.width()}, limits_.detail);
  if (reduction == 0) throw image::jpeg::NotTaken();
  const image::Picture picture = reader.Read(reduction, limits_.bytes);
  const auto read = Clock::now();
  Rows rows(input, preprocessor.preprocessing().size[1]);
  preprocessor.Run(picture, rows);
  read_milliseconds_ = milliseconds(read - start);
  milliseconds_ = milliseconds(Clock::now() - read);
}

void JpegInHand::Release() {
  state_->busy = false;
  if (state_->reader && state_->reader->capacity() > kMostSamplesKept) state_->reader.reset();
  if (state_->capacity > kMostKept) {
    state_->pixels.reset();
    state_->capacity = 0;
  }
  state_.reset();
}

Napi::Function PreprocessorObject::Define(Napi::Env env) {
  return DefineClass(
      env, "Preprocessor",
      {InstanceMethod<&PreprocessorObject::Copy>("copy"), InstanceMethod<&PreprocessorObject::Run>("run"),
       InstanceMethod<&PreprocessorObject::RunJpeg>("runJpeg")});
}

PreprocessorObject& PreprocessorObject::From(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTag)) {
    Fail(value.Env(), "preprocessor", "a Preprocessor");
  }
  return *Unwrap(value.As<Napi::Object>());
}

PreprocessorObject::PreprocessorObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<PreprocessorObject>(info),
      state_(std::make_shared<PreprocessorState>(PreprocessingFromJs(info[0]))) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

void PreprocessorObject::CheckIdle(Napi::Env env) const {
  if (state_->busy) throw Napi::Error::New(env, "This preprocessor has a picture in hand: wait for the earlier run");
}

PictureInHand PreprocessorObject::Take(const Napi::Value& pixels, const image::Layout& layout) {
  CheckIdle(pixels.Env());
  if (pixels.IsUndefined()) {
    return {state_, TakenArrays(), image::Picture::View(state_->pixels.get(), state_->size, layout)};
  }
  const Napi::TypedArray array = BytesOf(pixels, "pixels");
  // Refused before they are taken: what can't be used stays the caller's.
  image::Picture::View(DataOf(array), array.ByteLength(), layout);
  TakenArrays taken({array});
  const image::Picture picture = image::Picture::View(taken.data(0), taken.length(0), layout);
  return {state_, std::move(taken), picture};
}

JpegInHand PreprocessorObject::TakeJpeg(const Napi::Value& path, const JpegLimits& limits) {
  std::optional<image::jpeg::Path> name;
  if (!path.IsUndefined()) name = PathOf(path, "path");
  CheckIdle(path.Env());
  return {state_, std::move(name), limits};
}

Napi::Value PreprocessorObject::Copy(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto begin = IntegerOf<uint32_t>(info[1], "begin");
  const auto end = IntegerOf<uint32_t>(info[2], "end");
  const Napi::TypedArray array = BytesOf(info[0], "pixels");
  CheckIdle(env);
  const size_t length = array.ByteLength();
  if (begin > end || end > length) throw Napi::RangeError::New(env, "`pixels` does not have these bytes");
  PreprocessorState& state = *state_;
  if (begin == 0) {
    state.size = 0;
    if (length > state.capacity) {
      state.capacity = 0;
      state.pixels.reset();
      state.pixels.reset(new uint8_t[length]);
      state.capacity = length;
    }
  }
  if (begin != state.size || end > state.capacity) {
    throw Napi::RangeError::New(env, "`pixels` is not the picture whose copy was begun");
  }
  if (end > begin) std::memcpy(state.pixels.get() + begin, DataOf(array) + begin, end - begin);
  state.size = end;
  return env.Undefined();
}

Napi::Value PreprocessorObject::Run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const image::Layout layout = LayoutFromJs(info[1]);
  const Napi::TypedArray pixels = BytesOf(info[0], "pixels");
  Napi::Float32Array output = TypedArrayFromJs(info[2], napi_float32_array, "output").As<Napi::Float32Array>();
  CheckIdle(env);
  image::Preprocessor& preprocessor = state_->preprocessor;
  if (output.ElementLength() != preprocessor.output_size()) {
    throw Napi::RangeError::New(env, "`output` has not the length of the network's input");
  }
  Rows rows(output.Data(), preprocessor.preprocessing().size[1]);
  preprocessor.Run(image::Picture::View(DataOf(pixels), pixels.ByteLength(), layout), rows);
  return env.Undefined();
}

Napi::Value PreprocessorObject::RunJpeg(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const JpegLimits limits = JpegLimitsFromJs(info[1]);
  JpegInHand jpeg = TakeJpeg(info[0], limits);
  Napi::Float32Array output = TypedArrayFromJs(info[2], napi_float32_array, "output").As<Napi::Float32Array>();
  if (output.ElementLength() != state_->preprocessor.output_size()) {
    throw Napi::RangeError::New(env, "`output` has not the length of the network's input");
  }
  bool taken = true;
  try {
    jpeg.Preprocess(output.Data());
  } catch (const image::jpeg::NotTaken&) {
    taken = false;
  }
  jpeg.Release();
  return Napi::Boolean::New(env, taken);
}

}  // namespace neonsense::addon
