#pragma once

#include <memory>

#include <napi.h>

#include "addon/preprocessor_object.h"
#include "engine/session.h"

namespace neonsense::addon {

// The JS class `Session`. Made by Create, not by `new`: packing happens off the main thread.
class SessionObject : public Napi::ObjectWrap<SessionObject> {
 public:
  static Napi::Function Define(Napi::Env env);

  // createSession(plan, options): Promise<Session>
  static Napi::Value Create(const Napi::CallbackInfo& info);

  // Takes over a session a worker has packed.
  static Napi::Object Wrap(Napi::Env env, std::shared_ptr<engine::Session> session);

  explicit SessionObject(const Napi::CallbackInfo& info);

 private:
  // run(input: Float32Array, inputOffset, output: Float32Array, outputOffset): Promise<void>, one image
  Napi::Value Run(const Napi::CallbackInfo& info);
  // runImage(preprocessor, pixels: Uint8Array | undefined, layout, output: Float32Array, outputOffset):
  // Promise<number>, the milliseconds that the preprocessor took. Pixels are taken over, see TakenArrays; where there
  // are none, it is those that were copied to the preprocessor.
  Napi::Value RunImage(const Napi::CallbackInfo& info);
  // runJpeg(preprocessor, path: string | undefined, limits, output: Float32Array, outputOffset): Promise<{ decode,
  // preprocess } | undefined>, milliseconds; undefined where the file is not read here. Without a path it is the bytes
  // that were copied to the preprocessor.
  Napi::Value RunJpeg(const Napi::CallbackInfo& info);
  // another(threads): Promise<Session | undefined>, over the same packed weights; undefined where that can't be done.
  Napi::Value Another(const Napi::CallbackInfo& info);
  // profile(): { layer, operator, ms }[]
  Napi::Value Profile(const Napi::CallbackInfo& info);
  // dispose(): Promise<void>, once the memory is given back and the threads have ended. A pending run keeps what it
  // needs until it is done.
  Napi::Value Dispose(const Napi::CallbackInfo& info);

  engine::Session& session(Napi::Env env) const;
  // Throws where this session is running, and for a preprocessor of another size.
  PreprocessorObject& PreprocessorFor(const Napi::Value& value, const engine::Session& session) const;

  std::shared_ptr<engine::Session> session_;
  // Shared with a pending run, which may outlive this object.
  std::shared_ptr<bool> running_ = std::make_shared<bool>(false);
};

}  // namespace neonsense::addon
