#include <memory>

#include <napi.h>

#include "addon/instance.h"
#include "addon/preprocessor_object.h"
#include "addon/session_object.h"
#include "engine/cpu.h"

namespace neonsense::addon {
namespace {

// cpu(): { name, features, cores, performanceCores }
Napi::Value Cpu(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const engine::Cpu cpu = engine::DetectCpu();
  Napi::Array features = Napi::Array::New(env, cpu.features.size());
  for (uint32_t i = 0; i < cpu.features.size(); i++) features[i] = cpu.features[i];
  Napi::Object result = Napi::Object::New(env);
  result["name"] = cpu.name;
  result["features"] = features;
  result["cores"] = cpu.cores;
  result["performanceCores"] = cpu.performance_cores;
  return result;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto instance = std::make_unique<Instance>();
  instance->session_class = Napi::Persistent(SessionObject::Define(env));
  instance->structured_clone = Napi::Persistent(env.Global().Get("structuredClone").As<Napi::Function>());
  env.SetInstanceData(instance.release());  // owns it from here on
  exports["Preprocessor"] = PreprocessorObject::Define(env);
  exports["createSession"] = Napi::Function::New<SessionObject::Create>(env, "createSession");
  exports["cpu"] = Napi::Function::New<Cpu>(env, "cpu");
  return exports;
}

}  // namespace
}  // namespace neonsense::addon

static Napi::Object InitModule(Napi::Env env, Napi::Object exports) { return neonsense::addon::Init(env, exports); }

NODE_API_MODULE(neonsense, InitModule)
