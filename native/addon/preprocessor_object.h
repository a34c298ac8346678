#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <napi.h>

#include "addon/taken_arrays.h"
#include "image/jpeg/file_source.h"
#include "image/jpeg/reader.h"
#include "image/preprocessor.h"

namespace neonsense::addon {

// Reads a `NativeLayout` of lib/runtime/binding.ts. Checks types only; image::Picture checks what it means.
image::Layout LayoutFromJs(const Napi::Value& value);

// How much of a JPEG file is kept, and how much memory that may take.
struct JpegLimits {
  image::Detail detail;
  size_t bytes = 0;
};

// Reads a `JpegLimits` of lib/runtime/binding.ts.
JpegLimits JpegLimitsFromJs(const Napi::Value& value);

// What a preprocessor and the picture in its hands have in common, and may outlive it.
struct PreprocessorState {
  explicit PreprocessorState(const image::Preprocessing& preprocessing) : preprocessor(preprocessing) {}

  image::Preprocessor preprocessor;
  // Made for the first JPEG file.
  std::unique_ptr<image::jpeg::Reader> reader;
  // Pixels, or a file's bytes, copied from JavaScript, with room for the largest so far.
  std::unique_ptr<uint8_t[]> pixels;
  size_t capacity = 0;
  size_t size = 0;
  bool busy = false;
};

// A picture that is about to become the network's input, on another thread. No JavaScript can reach its pixels.
class PictureInHand {
 public:
  PictureInHand(std::shared_ptr<PreprocessorState> state, TakenArrays pixels, const image::Picture& picture);
  PictureInHand(PictureInHand&&) = default;
  ~PictureInHand();

  // Makes the input, as many floats as the preprocessing has.
  void Preprocess(float* input);
  // On the thread of JavaScript, when it is done.
  void Release(Napi::Env env);

 private:
  std::shared_ptr<PreprocessorState> state_;
  TakenArrays pixels_;
  image::Picture picture_;
};

// A JPEG file that is about to become the network's input, on another thread.
class JpegInHand {
 public:
  // The bytes that were copied to the preprocessor, or the file of this name.
  JpegInHand(std::shared_ptr<PreprocessorState> state, std::optional<image::jpeg::Path> path, const JpegLimits& limits);
  JpegInHand(JpegInHand&&) = default;
  ~JpegInHand();

  // Makes the input. Throws image::jpeg::NotTaken where others are to read the file.
  void Preprocess(float* input);
  // Milliseconds that reading took, and all the rest.
  double read_milliseconds() const { return read_milliseconds_; }
  double milliseconds() const { return milliseconds_; }
  // On the thread of JavaScript, when it is done.
  void Release();

 private:
  void Read(image::jpeg::Source& source, float* input);

  std::shared_ptr<PreprocessorState> state_;
  std::optional<image::jpeg::Path> path_;
  JpegLimits limits_;
  double read_milliseconds_ = 0;
  double milliseconds_ = 0;
};

// The JS class `Preprocessor`: new Preprocessor(preprocessing).
class PreprocessorObject : public Napi::ObjectWrap<PreprocessorObject> {
 public:
  static Napi::Function Define(Napi::Env env);
  // Throws Napi::TypeError where the value is no such object.
  static PreprocessorObject& From(const Napi::Value& value);

  explicit PreprocessorObject(const Napi::CallbackInfo& info);

  const image::Sides& size() const { return state_->preprocessor.preprocessing().size; }
  // A picture of these pixels, which are taken over, or of the copied ones. Throws where another is still in hand.
  PictureInHand Take(const Napi::Value& pixels, const image::Layout& layout);
  // The JPEG file of a path, or the copied bytes of one where that is undefined. Throws where another picture is still
  // in hand.
  JpegInHand TakeJpeg(const Napi::Value& path, const JpegLimits& limits);

 private:
  // copy(pixels: Uint8Array, begin, end): copies these bytes of a picture; `begin` 0 begins another picture.
  Napi::Value Copy(const Napi::CallbackInfo& info);
  // run(pixels: Uint8Array, layout, output: Float32Array): at once, on this thread
  Napi::Value Run(const Napi::CallbackInfo& info);
  // runJpeg(path: string | undefined, limits, output: Float32Array): boolean, whether it was taken. At once, too.
  Napi::Value RunJpeg(const Napi::CallbackInfo& info);

  void CheckIdle(Napi::Env env) const;

  std::shared_ptr<PreprocessorState> state_;
};

}  // namespace neonsense::addon
