#include "engine/thread_pool.h"

#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include <pthread.h>

#include "engine/error.h"

namespace neonsense::engine {
namespace {

// pthreadpool does not look whether its threads start, and waits for ever for those that did not. So they are started
// here, where that can be seen, and wait behind a gate; pthreadpool, which is compiled to call StartReservedThread
// instead of pthread_create, only says what they shall do (third_party/xnnpack.cmake).
class Reserve {
 public:
  explicit Reserve(size_t count) : tasks_(count) {}

  // Starts the threads. The system's error where one can't be started: fewer are there then.
  int Start(const std::shared_ptr<Reserve>& self) {
    threads_.reserve(tasks_.size());
    while (threads_.size() < tasks_.size()) {
      auto place = std::make_unique<Place>(Place{self, threads_.size()});
      pthread_t thread;
      const int error = pthread_create(&thread, nullptr, Main, place.get());
      if (error != 0) return error;
      static_cast<void>(place.release());
      threads_.push_back(thread);
    }
    return 0;
  }

  size_t started() const { return threads_.size(); }

  pthread_t Assign(void* (*run)(void*), void* argument) {
    tasks_[assigned_] = {run, argument};
    return threads_[assigned_++];
  }

  // Lets the threads do what was assigned to them, or end.
  void Open() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      open_ = true;
    }
    opened_.notify_all();
  }

  // Ends the threads without having done anything.
  void Cancel() {
    tasks_.assign(tasks_.size(), {});
    Open();
    for (pthread_t thread : threads_) pthread_join(thread, nullptr);
  }

 private:
  struct Task {
    void* (*run)(void*) = nullptr;
    void* argument = nullptr;
  };
  struct Place {
    std::shared_ptr<Reserve> reserve;
    size_t index;
  };

  static void* Main(void* argument) {
    Task task;
    {
      const std::unique_ptr<Place> place(static_cast<Place*>(argument));
      Reserve& reserve = *place->reserve;
      std::unique_lock<std::mutex> lock(reserve.mutex_);
      reserve.opened_.wait(lock, [&] { return reserve.open_; });
      task = reserve.tasks_[place->index];
    }
    return task.run == nullptr ? nullptr : task.run(task.argument);
  }

  std::vector<pthread_t> threads_;
  std::vector<Task> tasks_;
  size_t assigned_ = 0;
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

// What a pool that is being created on this thread takes its threads from.
thread_local Reserve* current_reserve = nullptr;

}  // namespace

ThreadPoolHandle CreateThreadPool(uint32_t threads) {
  const auto reserve = std::make_shared<Reserve>(threads - 1);
  try {
    if (const int error = reserve->Start(reserve); error != 0) {
      throw Error("Only " + std::to_string(reserve->started() + 1) + " of " + std::to_string(threads) +
                  " threads could be started (" + std::strerror(error) +
                  "): a limit on threads and processes is reached (`ulimit -u`, a container's pids limit), or on "
                  "memory. Ask for fewer `threads`, or raise the limit");
    }
    current_reserve = reserve.get();
    ThreadPoolHandle pool(pthreadpool_create(threads));
    current_reserve = nullptr;
    if (!pool) throw std::bad_alloc();
    reserve->Open();
    return pool;
  } catch (...) {
    reserve->Cancel();
    throw;
  }
}

}  // namespace neonsense::engine

// pthread_create as pthreadpool calls it.
extern "C" int neonsense_start_reserved_thread(pthread_t* thread, const pthread_attr_t*, void* (*run)(void*),
                                               void* argument) {
  *thread = neonsense::engine::current_reserve->Assign(run, argument);
  return 0;
}
