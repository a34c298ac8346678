#include "engine/session.h"

#include <atomic>
#include <cstring>

#include "engine/creation_memory.h"
#include "engine/error.h"
#include "engine/handles.h"
#include "engine/input/input_layout.h"
#include "engine/operators/dense_executor.h"
#include "engine/operators/memory.h"
#include "engine/operators/sparse_executor.h"
#include "engine/status.h"
#include "engine/subgraph/subgraph_executor.h"
#include "engine/thread_pool.h"

namespace neonsense::engine {
namespace {

constexpr uint32_t kMaxThreads = 256;
// Kernels may read this far past the end of what they are given; so may what lays out an image.
constexpr size_t kPaddingBytes = Memory::kSlackBytes + InputLayout::kSlackBytes;

// Floats for at least so many bytes, zeroed, with room behind them.
std::unique_ptr<float[]> MakePaddedBuffer(size_t bytes) {
  return std::make_unique<float[]>((bytes + kPaddingBytes + sizeof(float) - 1) / sizeof(float));
}

uint32_t RuntimeFlags(const SessionOptions& options) {
  // Workers sleep between runs instead of spinning: a shop window's Pi has other things to do.
  uint32_t flags = XNN_FLAG_YIELD_WORKERS;
  if (options.profile) flags |= XNN_FLAG_BASIC_PROFILING;
  if (options.fp16) flags |= XNN_FLAG_FORCE_FP16_INFERENCE;
  return flags;
}

// Holds the "one run at a time" promise and gives it back on every way out.
class RunGuard {
 public:
  explicit RunGuard(std::atomic<bool>& running) : running_(running) {
    if (running_.exchange(true, std::memory_order_acquire)) {
      throw Error("This session is running already: wait for the earlier run to finish");
    }
  }
  ~RunGuard() { running_.store(false, std::memory_order_release); }
  RunGuard(const RunGuard&) = delete;
  RunGuard& operator=(const RunGuard&) = delete;

 private:
  std::atomic<bool>& running_;
};

}  // namespace

struct Session::State {
  std::unique_ptr<InputLayout> layout;
  size_t input_size = 0;
  std::array<size_t, 3> input_shape{};
  size_t output_size = 0;
  std::vector<size_t> output_sizes;
  bool profile = false;
  std::atomic<bool> running{false};
  // Images are copied into storage of ours: nobody can change it meanwhile, and it has room past its end.
  std::unique_ptr<float[]> input;
  std::vector<std::unique_ptr<float[]>> outputs;
  ThreadPoolHandle pool;
  // Last: it goes before the pool and the buffers it points to.
  std::unique_ptr<Executor> executor;
};

Session::Session(const Plan& plan, const SessionOptions& options) {
  Validate(plan);
  if (options.threads < 1 || options.threads > kMaxThreads) {
    throw Error("A session needs 1 to " + std::to_string(kMaxThreads) + " threads, not " +
                std::to_string(options.threads));
  }
  InitializeXnnpack();
  if (options.fp16 && options.sparse) throw Error("A session is either sparse or fp16, not both");
  if (options.fp16 && !HasNativeFp16()) throw Error("This CPU has no native fp16 arithmetic");
  const bool sparse = options.sparse && SparseExecutor::Supports(plan);
  state_ = std::make_unique<State>();
  State& state = *state_;
  state.layout = InputLayout::Choose(plan, /*unroll=*/!sparse);
  state.profile = options.profile;

  if (options.threads > 1) state.pool = CreateThreadPool(options.threads);
  state.input_size = ElementCount(plan.values[plan.input]);
  state.input_shape = plan.values[plan.input].shape;
  state.input = MakePaddedBuffer(state.layout->bytes());
  for (size_t i = 0; i < plan.outputs.size(); i++) {
    const size_t size = ElementCount(plan.values[plan.outputs[i]]);
    state.output_sizes.push_back(size);
    state.output_size += size;
    state.outputs.push_back(MakePaddedBuffer(size * sizeof(float)));
  }
  std::vector<float*> targets;
  for (const auto& output : state.outputs) targets.push_back(output.get());
  CreationMemory memory(plan);
  std::unique_ptr<Executor> executor;
  if (sparse) {
    executor = std::make_unique<SparseExecutor>(plan, state.input.get(), targets, state.pool.get(), options.profile);
  } else if (!options.fp16 && DenseExecutor::Supports(plan)) {
    executor = std::make_unique<DenseExecutor>(plan, *state.layout, state.input.get(), targets, state.pool.get(),
                                               options.profile);
  } else {
    executor = std::make_unique<SubgraphExecutor>(plan, *state.layout, state.input.get(), targets, state.pool.get(),
                                                  RuntimeFlags(options));
  }
  memory.Keep();
  state.executor = std::move(executor);
}

Session::~Session() = default;

size_t Session::input_size() const { return state_->input_size; }

const std::array<size_t, 3>& Session::input_shape() const { return state_->input_shape; }

size_t Session::output_size() const { return state_->output_size; }

void Session::Run(const float* input, float* output) {
  Load(input);
  Invoke();
  Read(output);
}

void Session::Load(const float* input) { state_->layout->Copy(input, state_->input.get()); }

void Session::Invoke() {
  const RunGuard guard(state_->running);
  state_->executor->Run();
}

void Session::Read(float* output) const {
  for (size_t i = 0; i < state_->outputs.size(); i++) {
    std::memcpy(output, state_->outputs[i].get(), state_->output_sizes[i] * sizeof(float));
    output += state_->output_sizes[i];
  }
}

std::vector<OperatorTime> Session::Profile() const {
  if (!state_->profile) throw Error("This session was not created with `profile: true`");
  return state_->executor->Profile();
}

}  // namespace neonsense::engine
