#include <napi.h>

#include "addon/instance.h"
#include "addon/session_object.h"
#include "engine/cpu.h"
#include "engine/error.h"

namespace neonsense::addon {
namespace {

// cpu(): { name, features, cores, performanceCores }
Napi::Value Cpu(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  try {
    const engine::Cpu cpu = engine::DetectCpu();
    Napi::Array features = Napi::Array::New(env, cpu.features.size());
    for (uint32_t i = 0; i < cpu.features.size(); i++) features[i] = cpu.features[i];
    Napi::Object result = Napi::Object::New(env);
    result["name"] = cpu.name;
    result["features"] = features;
    result["cores"] = cpu.cores;
    result["performanceCores"] = cpu.performance_cores;
    return result;
  } catch (const engine::Error& error) {
    throw Napi::Error::New(env, error.what());
  }
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* instance = new Instance{Napi::Persistent(SessionObject::Define(env))};
  env.SetInstanceData(instance);  // owns it from here on
  exports["createSession"] = Napi::Function::New<SessionObject::Create>(env, "createSession");
  exports["cpu"] = Napi::Function::New<Cpu>(env, "cpu");
  return exports;
}

}  // namespace
}  // namespace neonsense::addon

static Napi::Object InitModule(Napi::Env env, Napi::Object exports) { return neonsense::addon::Init(env, exports); }

NODE_API_MODULE(neonsense, InitModule)
