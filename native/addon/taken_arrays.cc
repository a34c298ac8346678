#include "addon/taken_arrays.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "addon/instance.h"

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace neonsense::addon {
namespace {

// What typed arrays that share a buffer cover of it.
struct Source {
  Napi::Value buffer;
  uint8_t* data;  // the buffer's first byte
  size_t begin;
  size_t end;
};

struct Window {
  size_t source;
  size_t offset;
  size_t length;  // elements
  size_t bytes;
};

constexpr size_t kEmpty = SIZE_MAX;  // instead of a source

// Where the byte `begin` of a buffer lies now, and those after it.
struct Place {
  uint8_t* data = nullptr;
  size_t begin = 0;
};

// Moves the memory of all `buffers` to new ones. An empty value where one of them can't be moved: then none has been.
Napi::Value Move(Napi::Env env, const std::vector<Napi::Value>& buffers) {
  Napi::Array list = Napi::Array::New(env, buffers.size());
  for (uint32_t i = 0; i < buffers.size(); i++) list[i] = buffers[i];
  Napi::Object options = Napi::Object::New(env);
  options["transfer"] = list;
  try {
    return env.GetInstanceData<Instance>()->structured_clone.Call({list, options});
  } catch (const Napi::Error&) {
    return {};
  }
}

}  // namespace

TakenArrays::TakenArrays(const std::vector<Napi::TypedArray>& arrays) {
  if (arrays.empty()) return;
  const Napi::Env env = arrays[0].Env();
  std::vector<Source> sources;
  std::vector<Window> windows;
  std::unordered_map<uint8_t*, size_t> known;
  for (const Napi::TypedArray& array : arrays) {
    napi_typedarray_type type;
    size_t length = 0;
    size_t offset = 0;
    void* data = nullptr;
    napi_value buffer = nullptr;
    if (napi_get_typedarray_info(env, array, &type, &length, &data, &buffer, &offset) != napi_ok) {
      throw Napi::Error::New(env);
    }
    const size_t bytes = length * array.ElementSize();
    if (bytes == 0) {
      windows.push_back({kEmpty, 0, 0, 0});
      continue;
    }
    uint8_t* const base = static_cast<uint8_t*>(data) - offset;
    const auto [entry, is_new] = known.emplace(base, sources.size());
    if (is_new) sources.push_back({Napi::Value(env, buffer), base, offset, offset + bytes});
    Source& source = sources[entry->second];
    source.begin = std::min(source.begin, offset);
    source.end = std::max(source.end, offset + bytes);
    windows.push_back({entry->second, offset, length, bytes});
  }

  std::vector<Place> places(sources.size());
  std::vector<Napi::Value> buffers;
  std::vector<size_t> owners;
  for (size_t i = 0; i < sources.size(); i++) {
    // Shared memory stays where it is.
    if (!sources[i].buffer.IsArrayBuffer()) continue;
    buffers.push_back(sources[i].buffer);
    owners.push_back(i);
  }
  const auto use = [&](size_t owner, const Napi::Value& moved) {
    if (!moved.IsArrayBuffer() || moved.As<Napi::ArrayBuffer>().ByteLength() < sources[owner].end) {
      throw Napi::Error::New(env, "The plan's arrays could not be taken over");
    }
    moved_.push_back(Napi::Persistent(moved.As<Napi::ArrayBuffer>()));
    places[owner] = {static_cast<uint8_t*>(moved.As<Napi::ArrayBuffer>().Data()), 0};
  };
  if (const Napi::Value all = buffers.empty() ? Napi::Value() : Move(env, buffers); all.IsArray()) {
    for (uint32_t i = 0; i < owners.size(); i++) use(owners[i], all.As<Napi::Array>()[i]);
  } else {
    // Node's pool of small Buffers or WebAssembly's memory is among them, which others need.
    for (size_t i = 0; i < owners.size(); i++) {
      const Napi::Value one = Move(env, {buffers[i]});
      if (one.IsArray()) use(owners[i], one.As<Napi::Array>()[0u]);
    }
  }
  for (size_t i = 0; i < sources.size(); i++) {
    if (places[i].data != nullptr) continue;
    const Source& source = sources[i];
    const size_t bytes = source.end - source.begin;
    auto& copy = copies_.emplace_back(std::make_unique<uint8_t[]>(bytes + sizeof(double)));
    // As far into a word as the original, so that elements stay aligned.
    const size_t shift = source.begin % sizeof(double);
    std::memcpy(copy.get() + shift, source.data + source.begin, bytes);
    places[i] = {copy.get() + shift, source.begin};
  }
  for (const auto& [source, offset, length, bytes] : windows) {
    uint8_t* const data = source == kEmpty ? nullptr : places[source].data + (offset - places[source].begin);
    views_.push_back({data, length, bytes});
  }
}

void TakenArrays::Discard() {
#ifdef __linux__
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin_of = [](const View& view) { return reinterpret_cast<uintptr_t>(view.data); };
  std::sort(views_.begin(), views_.end(), [&](const View& a, const View& b) { return begin_of(a) < begin_of(b); });
  for (size_t i = 0; i < views_.size();) {
    // Arrays that follow each other share pages.
    uint8_t* const data = views_[i].data;
    const uintptr_t begin = begin_of(views_[i]);
    uintptr_t end = begin;
    for (; i < views_.size() && begin_of(views_[i]) <= end; i++)
      end = std::max(end, begin_of(views_[i]) + views_[i].bytes);
    // Whole pages only: what else is on the others is somebody else's.
    const uintptr_t first = (begin + page - 1) / page * page;
    const uintptr_t last = end / page * page;
    if (first < last) madvise(data + (first - begin), last - first, MADV_DONTNEED);
  }
  views_.clear();
#endif
}

void TakenArrays::Release(Napi::Env env) {
  views_.clear();
  copies_.clear();
  for (const auto& buffer : moved_) napi_detach_arraybuffer(env, buffer.Value());
  moved_.clear();
}

}  // namespace neonsense::addon
