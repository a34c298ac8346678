#include "addon/session_object.h"

#include <utility>

#include "addon/convert.h"
#include "addon/instance.h"
#include "engine/error.h"

namespace neonsense::addon {
namespace {

class CreateWorker : public Napi::AsyncWorker {
 public:
  CreateWorker(Napi::Env env, PinnedPlan plan, const engine::SessionOptions& options)
      : Napi::AsyncWorker(env, "neonsense.createSession"),
        deferred_(Napi::Promise::Deferred::New(env)),
        plan_(std::move(plan)),
        options_(options) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  // AsyncWorker turns a C++ exception into OnError.
  void Execute() override { session_ = std::make_shared<engine::Session>(plan_.plan, options_); }
  void OnOK() override {
    ReleaseArrays();
    deferred_.Resolve(SessionObject::Wrap(Env(), std::move(session_)));
  }
  void OnError(const Napi::Error& error) override {
    ReleaseArrays();
    deferred_.Reject(error.Value());
  }

 private:
  // Detaching gives megabytes of weights back now instead of at some later garbage collection.
  void ReleaseArrays() {
    for (Napi::Reference<Napi::Object>& reference : plan_.arrays) {
      const Napi::Value buffer = reference.Value().As<Napi::TypedArray>().ArrayBuffer();
      // Fails on shared memory, which then stays as it is.
      if (buffer.IsArrayBuffer()) napi_detach_arraybuffer(Env(), buffer);
    }
    plan_.arrays.clear();
  }

  Napi::Promise::Deferred deferred_;
  PinnedPlan plan_;
  engine::SessionOptions options_;
  std::shared_ptr<engine::Session> session_;
};

class RunWorker : public Napi::AsyncWorker {
 public:
  RunWorker(Napi::Env env, std::shared_ptr<engine::Session> session, std::shared_ptr<bool> running,
            const Napi::TypedArray& output, size_t output_offset)
      : Napi::AsyncWorker(env, "neonsense.run"),
        deferred_(Napi::Promise::Deferred::New(env)),
        session_(std::move(session)),
        running_(std::move(running)),
        output_(Napi::Reference<Napi::TypedArray>::New(output, 1)),
        output_offset_(output_offset) {
    *running_ = true;
  }
  ~RunWorker() override { *running_ = false; }

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { session_->Invoke(); }

  void OnOK() override {
    *running_ = false;
    const Napi::Float32Array output = output_.Value().As<Napi::Float32Array>();
    // The array may have been detached while the image ran.
    if (output.ElementLength() < output_offset_ + session_->output_size()) {
      deferred_.Reject(Napi::Error::New(Env(), "The output array was detached during the run").Value());
      return;
    }
    session_->Read(const_cast<Napi::Float32Array&>(output).Data() + output_offset_);
    deferred_.Resolve(Env().Undefined());
  }

  void OnError(const Napi::Error& error) override {
    *running_ = false;
    deferred_.Reject(error.Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<engine::Session> session_;
  std::shared_ptr<bool> running_;
  Napi::Reference<Napi::TypedArray> output_;
  size_t output_offset_;
};

// Queues the worker; it deletes itself once it has settled its promise.
template <typename Worker>
Napi::Promise Start(std::unique_ptr<Worker> worker) {
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  worker.release();
  return promise;
}

// A window of `size` floats at `offset` of a Float32Array argument.
struct Window {
  Napi::Float32Array array;
  size_t offset;
};

Window WindowOf(const Napi::CallbackInfo& info, size_t argument, size_t size, const char* what) {
  const Napi::TypedArray array = TypedArrayFromJs(info[argument], napi_float32_array, what);
  const Napi::Value offset = info[argument + 1];
  const double position = offset.IsNumber() ? offset.As<Napi::Number>().DoubleValue() : -1;
  const size_t length = array.ElementLength();
  if (!(position >= 0) || size > length || position > static_cast<double>(length - size) ||
      position != static_cast<double>(static_cast<size_t>(position))) {
    throw Napi::RangeError::New(
        info.Env(), "`" + std::string(what) + "` has no " + std::to_string(size) + " floats at the offset given");
  }
  return {array.As<Napi::Float32Array>(), static_cast<size_t>(position)};
}

}  // namespace

Napi::Function SessionObject::Define(Napi::Env env) {
  return DefineClass(env, "Session",
                     {InstanceMethod<&SessionObject::Run>("run"), InstanceMethod<&SessionObject::Profile>("profile"),
                      InstanceMethod<&SessionObject::Dispose>("dispose")});
}

Napi::Value SessionObject::Create(const Napi::CallbackInfo& info) {
  PinnedPlan plan = PlanFromJs(info[0]);
  return Start(std::make_unique<CreateWorker>(info.Env(), std::move(plan), OptionsFromJs(info[1])));
}

Napi::Object SessionObject::Wrap(Napi::Env env, std::shared_ptr<engine::Session> session) {
  const Napi::Object object = env.GetInstanceData<Instance>()->session_class.New({});
  Unwrap(object)->session_ = std::move(session);
  return object;
}

SessionObject::SessionObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SessionObject>(info) {}

engine::Session& SessionObject::session(Napi::Env env) const {
  if (!session_) throw Napi::Error::New(env, "This session was disposed");
  return *session_;
}

Napi::Value SessionObject::Run(const Napi::CallbackInfo& info) {
  engine::Session& session = this->session(info.Env());
  if (*running_) throw Napi::Error::New(info.Env(), "This session is running already: wait for the earlier run");
  Window input = WindowOf(info, 0, session.input_size(), "input");
  const Window output = WindowOf(info, 2, session.output_size(), "output");
  // Copied before the main thread goes on, so that nobody can change or detach what is being read.
  session.Load(input.array.Data() + input.offset);
  return Start(std::make_unique<RunWorker>(info.Env(), session_, running_, output.array, output.offset));
}

Napi::Value SessionObject::Profile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  engine::Session& session = this->session(env);
  if (*running_) throw Napi::Error::New(env, "This session is running: read its profile afterwards");
  try {
    const std::vector<engine::OperatorTime> operators = session.Profile();
    Napi::Array result = Napi::Array::New(env, operators.size());
    for (uint32_t i = 0; i < operators.size(); i++) {
      Napi::Object entry = Napi::Object::New(env);
      entry["layer"] = operators[i].layer;
      entry["operator"] = operators[i].name;
      entry["ms"] = static_cast<double>(operators[i].microseconds) / 1000.0;
      result[i] = entry;
    }
    return result;
  } catch (const engine::Error& error) {
    throw Napi::Error::New(env, error.what());
  }
}

Napi::Value SessionObject::Dispose(const Napi::CallbackInfo& info) {
  session_.reset();
  return info.Env().Undefined();
}

}  // namespace neonsense::addon
