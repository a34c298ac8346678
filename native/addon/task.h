#pragma once

#include <exception>
#include <memory>
#include <new>

#include <napi.h>

namespace neonsense::addon {

// Work for another thread and the promise of its result. Whatever it throws rejects the promise.
class Task : public Napi::AsyncWorker {
 public:
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  Task(Napi::Env env, const char* name) : Napi::AsyncWorker(env, name), deferred_(Napi::Promise::Deferred::New(env)) {}

  // On another thread.
  virtual void Work() = 0;
  // Back on the thread of JavaScript, whether it worked or not.
  virtual void Finish() {}
  virtual Napi::Value Result() { return Env().Undefined(); }

 private:
  void Execute() final {
    try {
      Work();
    } catch (...) {
      // Not its message: copying that could throw again where memory has run out.
      failure_ = std::current_exception();
    }
  }

  void OnOK() final {
    Finish();
    try {
      if (failure_) std::rethrow_exception(failure_);
      deferred_.Resolve(Result());
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    } catch (const std::bad_alloc&) {
      deferred_.Reject(Napi::Error::New(Env(), "Out of memory").Value());
    } catch (const std::exception& error) {
      deferred_.Reject(Napi::Error::New(Env(), error.what()).Value());
    }
  }

  Napi::Promise::Deferred deferred_;
  std::exception_ptr failure_;
};

// Queues the task; it deletes itself once it has settled its promise.
template <typename T>
Napi::Promise Start(std::unique_ptr<T> task) {
  const Napi::Promise promise = task->promise();
  task->Queue();
  static_cast<void>(task.release());
  return promise;
}

}  // namespace neonsense::addon
