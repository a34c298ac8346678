#include "addon/session_object.h"

#include <chrono>
#include <utility>

#include "addon/convert.h"
#include "addon/instance.h"
#include "addon/preprocessor_object.h"
#include "addon/task.h"
#include "addon/values.h"
#include "image/jpeg/not_taken.h"

namespace neonsense::addon {
namespace {

class CreateTask : public Task {
 public:
  CreateTask(Napi::Env env, TakenPlan plan, const engine::SessionOptions& options)
      : Task(env, "neonsense.createSession"), plan_(std::move(plan)), options_(options) {}

 protected:
  void Work() override {
    // Before the weights are folded, which is done in place.
    plan_.content.Check();
    plan_.content.Unpack();
    session_ = std::make_shared<engine::Session>(plan_.plan, options_);
    plan_.arrays.Discard();
  }
  void Finish() override { plan_.arrays.Release(Env()); }
  Napi::Value Result() override { return SessionObject::Wrap(Env(), std::move(session_)); }

 private:
  TakenPlan plan_;
  engine::SessionOptions options_;
  std::shared_ptr<engine::Session> session_;
};

class AnotherTask : public Task {
 public:
  AnotherTask(Napi::Env env, std::shared_ptr<engine::Session> session, uint32_t threads)
      : Task(env, "neonsense.another"), session_(std::move(session)), threads_(threads) {}

 protected:
  void Work() override { another_ = session_->Another(threads_); }
  Napi::Value Result() override {
    if (another_ == nullptr) return Env().Undefined();
    return SessionObject::Wrap(Env(), std::move(another_));
  }

 private:
  std::shared_ptr<engine::Session> session_;
  uint32_t threads_;
  std::shared_ptr<engine::Session> another_;
};

class RunTask : public Task {
 public:
  RunTask(Napi::Env env, std::shared_ptr<engine::Session> session, std::shared_ptr<bool> running,
          const Napi::TypedArray& output, size_t output_offset)
      : Task(env, "neonsense.run"),
        session_(std::move(session)),
        running_(std::move(running)),
        output_(Napi::Reference<Napi::TypedArray>::New(output, 1)),
        output_offset_(output_offset) {
    *running_ = true;
  }
  ~RunTask() override { *running_ = false; }

 protected:
  void Work() override { session_->Invoke(); }
  void Finish() override { *running_ = false; }
  Napi::Value Result() override {
    Napi::Float32Array output = output_.Value().As<Napi::Float32Array>();
    // The array may have been detached or made shorter while the image ran.
    const size_t length = output.ElementLength();
    if (length < output_offset_ || length - output_offset_ < session_->output_size()) {
      throw Napi::Error::New(Env(), "The output array was detached or made shorter during the run");
    }
    session_->Read(output.Data() + output_offset_);
    return Env().Undefined();
  }

  engine::Session& session() { return *session_; }

 private:
  std::shared_ptr<engine::Session> session_;
  std::shared_ptr<bool> running_;
  Napi::Reference<Napi::TypedArray> output_;
  size_t output_offset_;
};

// Makes the input of a picture first.
class RunImageTask : public RunTask {
 public:
  RunImageTask(Napi::Env env, std::shared_ptr<engine::Session> session, std::shared_ptr<bool> running,
               const Napi::TypedArray& output, size_t output_offset, PictureInHand picture)
      : RunTask(env, std::move(session), std::move(running), output, output_offset), picture_(std::move(picture)) {}

 protected:
  void Work() override {
    const auto start = std::chrono::steady_clock::now();
    float* const input = session().Staging();
    picture_.Preprocess(input);
    session().Load(input);
    milliseconds_ = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    RunTask::Work();
  }
  void Finish() override {
    picture_.Release(Env());
    RunTask::Finish();
  }
  Napi::Value Result() override {
    RunTask::Result();
    return Napi::Number::New(Env(), milliseconds_);
  }

 private:
  PictureInHand picture_;
  double milliseconds_ = 0;
};

// Reads a JPEG file first, and does nothing where others are to read it.
class RunJpegTask : public RunTask {
 public:
  RunJpegTask(Napi::Env env, std::shared_ptr<engine::Session> session, std::shared_ptr<bool> running,
              const Napi::TypedArray& output, size_t output_offset, JpegInHand jpeg)
      : RunTask(env, std::move(session), std::move(running), output, output_offset), jpeg_(std::move(jpeg)) {}

 protected:
  void Work() override {
    float* const input = session().Staging();
    try {
      jpeg_.Preprocess(input);
    } catch (const image::jpeg::NotTaken&) {
      return;
    }
    taken_ = true;
    session().Load(input);
    RunTask::Work();
  }
  void Finish() override {
    jpeg_.Release();
    RunTask::Finish();
  }
  Napi::Value Result() override {
    if (!taken_) return Env().Undefined();
    RunTask::Result();
    Napi::Object result = Napi::Object::New(Env());
    result["decode"] = jpeg_.read_milliseconds();
    result["preprocess"] = jpeg_.milliseconds();
    return result;
  }

 private:
  JpegInHand jpeg_;
  bool taken_ = false;
};

// Drops its share of a session. Ending threads means waiting for them, which the main thread does not.
class DisposeTask : public Task {
 public:
  DisposeTask(Napi::Env env, std::shared_ptr<engine::Session> session)
      : Task(env, "neonsense.dispose"), session_(std::move(session)) {}

 protected:
  void Work() override { session_.reset(); }

 private:
  std::shared_ptr<engine::Session> session_;
};

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
  return DefineClass(
      env, "Session",
      {InstanceMethod<&SessionObject::Run>("run"), InstanceMethod<&SessionObject::RunImage>("runImage"),
       InstanceMethod<&SessionObject::RunJpeg>("runJpeg"), InstanceMethod<&SessionObject::Another>("another"),
       InstanceMethod<&SessionObject::Profile>("profile"), InstanceMethod<&SessionObject::Dispose>("dispose")});
}

Napi::Value SessionObject::Create(const Napi::CallbackInfo& info) {
  const engine::SessionOptions options = OptionsFromJs(info[1]);
  return Start(std::make_unique<CreateTask>(info.Env(), PlanFromJs(info[0], info[2]), options));
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
  return Start(std::make_unique<RunTask>(info.Env(), session_, running_, output.array, output.offset));
}

Napi::Value SessionObject::RunImage(const Napi::CallbackInfo& info) {
  // All of JavaScript's code that this may call, before anything is looked at that it could change.
  const image::Layout layout = LayoutFromJs(info[2]);
  engine::Session& session = this->session(info.Env());
  PreprocessorObject& preprocessor = PreprocessorFor(info[0], session);
  const Window output = WindowOf(info, 3, session.output_size(), "output");
  PictureInHand picture = preprocessor.Take(info[1], layout);
  return Start(
      std::make_unique<RunImageTask>(info.Env(), session_, running_, output.array, output.offset, std::move(picture)));
}

Napi::Value SessionObject::RunJpeg(const Napi::CallbackInfo& info) {
  // First of all, as above.
  const JpegLimits limits = JpegLimitsFromJs(info[2]);
  engine::Session& session = this->session(info.Env());
  PreprocessorObject& preprocessor = PreprocessorFor(info[0], session);
  const Window output = WindowOf(info, 3, session.output_size(), "output");
  JpegInHand jpeg = preprocessor.TakeJpeg(info[1], limits);
  return Start(
      std::make_unique<RunJpegTask>(info.Env(), session_, running_, output.array, output.offset, std::move(jpeg)));
}

PreprocessorObject& SessionObject::PreprocessorFor(const Napi::Value& value, const engine::Session& session) const {
  if (*running_) throw Napi::Error::New(value.Env(), "This session is running already: wait for the earlier run");
  PreprocessorObject& preprocessor = PreprocessorObject::From(value);
  const auto [height, width] = preprocessor.size();
  if (session.input_shape() != std::array<size_t, 3>{height, width, 3}) {
    throw Napi::RangeError::New(value.Env(), "The preprocessor makes an input of another size than the session takes");
  }
  return preprocessor;
}

Napi::Value SessionObject::Another(const Napi::CallbackInfo& info) {
  const auto threads = IntegerOf<uint32_t>(info[0], "threads");
  session(info.Env());
  return Start(std::make_unique<AnotherTask>(info.Env(), session_, threads));
}

Napi::Value SessionObject::Profile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  engine::Session& session = this->session(env);
  if (*running_) throw Napi::Error::New(env, "This session is running: read its profile afterwards");
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
}

Napi::Value SessionObject::Dispose(const Napi::CallbackInfo& info) {
  return Start(std::make_unique<DisposeTask>(info.Env(), std::move(session_)));
}

}  // namespace neonsense::addon
