#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <napi.h>

#include "addon/taken_arrays.h"
#include "image/preprocessor.h"

namespace neonsense::addon {

// Reads a `NativeLayout` of lib/runtime/binding.ts. Checks types only; image::Picture checks what it means.
image::Layout LayoutFromJs(const Napi::Value& value);

// What a preprocessor and the picture in its hands have in common, and may outlive it.
struct PreprocessorState {
  explicit PreprocessorState(const image::Preprocessing& preprocessing) : preprocessor(preprocessing) {}

  image::Preprocessor preprocessor;
  // Pixels copied from JavaScript, with room for the largest so far.
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

 private:
  // copy(pixels: Uint8Array, begin, end): copies these bytes of a picture; `begin` 0 begins another picture.
  Napi::Value Copy(const Napi::CallbackInfo& info);
  // run(pixels: Uint8Array, layout, output: Float32Array): at once, on this thread
  Napi::Value Run(const Napi::CallbackInfo& info);

  void CheckIdle(Napi::Env env) const;

  std::shared_ptr<PreprocessorState> state_;
};

}  // namespace neonsense::addon
