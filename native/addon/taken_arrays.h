#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <napi.h>

namespace neonsense::addon {

// Memory of typed arrays, out of JavaScript's reach: it can no longer be written, resized, transferred or detached, so
// another thread may use it. The arrays are detached, but for memory that others share or that can't be moved: that is
// copied and stays as it is.
class TakenArrays {
 public:
  TakenArrays() = default;
  // Takes over what `arrays` hold: moved where JavaScript allows it, copied where not. No code of the caller's runs.
  explicit TakenArrays(const std::vector<Napi::TypedArray>& arrays);

  // Of the array given at this index: where its elements are now, and how many there are.
  uint8_t* data(size_t index) const { return views_[index].data; }
  size_t length(size_t index) const { return views_[index].length; }

  // Nobody needs what is in the memory any longer: gives its pages to the system, which malloc would keep for a process
  // that has freed as much before. On any thread.
  void Discard();
  // Gives the memory back now instead of at some later garbage collection. On the thread of the arrays' environment.
  void Release(Napi::Env env);

 private:
  struct View {
    uint8_t* data;
    size_t length;
    size_t bytes;
  };

  std::vector<View> views_;
  // The ArrayBuffers that took the memory over. Nobody else knows them.
  std::vector<Napi::Reference<Napi::ArrayBuffer>> moved_;
  std::vector<std::unique_ptr<uint8_t[]>> copies_;
};

}  // namespace neonsense::addon
