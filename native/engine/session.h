#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/executor.h"
#include "engine/plan.h"

namespace neonsense::engine {

struct SessionOptions {
  // Threads that work on one image, the calling one included.
  uint32_t threads = 1;
  // Measure each operator; read with Session::Profile.
  bool profile = false;
  // Compute in half precision whatever the plan declares as f32. Needs a CPU with native fp16 arithmetic.
  bool fp16 = false;
  // Use XNNPACK's sparse kernels for plans that SparseExecutor supports; without effect on others. Not with fp16.
  bool sparse = false;
};

// A plan packed for this CPU, with all the memory one image needs. One run at a time.
class Session {
 public:
  // Validates the plan and packs its weights. The plan's arrays are not needed afterwards. Packed weights are shared
  // with sessions of this process that have the same.
  Session(const Plan& plan, const SessionOptions& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Floats one image takes, and floats of all outputs together.
  size_t input_size() const;
  // [H, W, C]
  const std::array<size_t, 3>& input_shape() const;
  size_t output_size() const;

  // One image: all its input_size() floats in, output_size() floats out, outputs one after the other. Load, Invoke and
  // Read are its three parts, for callers that are on different threads for each. Throws when another thread is inside
  // Invoke of this session.
  void Run(const float* input, float* output);
  void Load(const float* input);
  void Invoke();
  void Read(float* output) const;

  // Room for input_size() floats, for who makes them and gives them to Load: it is used by nothing else between two
  // runs.
  float* Staging();

  // The last image's operators, in the order they ran. Needs SessionOptions::profile.
  std::vector<OperatorTime> Profile() const;

  // Another session of the same plan on so many threads, without packing again. Null where that can't be done: not
  // every kernel of XNNPACK's takes weights that are packed already. May be called from any thread, during runs as
  // well.
  std::unique_ptr<Session> Another(uint32_t threads) const;

 private:
  // Hides XNNPACK's types from the addon.
  struct State;
  explicit Session(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

// True when fp16 arithmetic is native here, so that SessionOptions::fp16 makes sense.
bool HasNativeFp16();

}  // namespace neonsense::engine
