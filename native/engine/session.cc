#include "engine/session.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "engine/error.h"
#include "engine/graph.h"
#include "engine/handles.h"
#include "engine/input_layout.h"
#include "engine/sparse_network.h"
#include "engine/status.h"
#include "engine/thread_pool.h"

namespace neonsense::engine {
namespace {

constexpr uint32_t kMaxThreads = 256;
// XNNPACK may read this far past the end of what it is given; so may what lays out an image.
constexpr size_t kPaddingBytes = XNN_EXTRA_BYTES + InputLayout::kSlackBytes;

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

// Profiling info of variable size: asks how much there is, then reads it.
template <typename T>
std::vector<T> ProfilingInfo(xnn_runtime_t runtime, xnn_profile_info what) {
  size_t bytes = 0;
  const xnn_status status = xnn_get_runtime_profiling_info(runtime, what, 0, nullptr, &bytes);
  if (status != xnn_status_out_of_memory) CheckStatus(status, "Reading the profile");
  std::vector<T> info(bytes / sizeof(T));
  CheckStatus(xnn_get_runtime_profiling_info(runtime, what, bytes, info.data(), &bytes), "Reading the profile");
  return info;
}

}  // namespace

struct Session::State {
  State(const Plan& plan, bool unroll) : layout(plan, unroll) {}

  InputLayout layout;
  size_t input_size = 0;
  size_t output_size = 0;
  std::vector<size_t> output_sizes;
  std::vector<std::string> layer_names;
  bool profile = false;
  std::atomic<bool> running{false};
  // Images are copied into storage of ours: nobody can change it meanwhile, and it has room past its end.
  std::unique_ptr<float[]> input;
  std::vector<std::unique_ptr<float[]>> outputs;
  ThreadPoolHandle pool;
  // One of the two runs the plan. Last: they go before the pool and the buffers they point to.
  RuntimeHandle runtime;
  std::unique_ptr<SparseNetwork> sparse;
  std::vector<uint64_t> sparse_times;

  void BuildRuntime(const Plan& plan, uint32_t flags) {
    const Graph graph = BuildGraph(plan, layout);
    xnn_runtime_t created = nullptr;
    CheckStatus(xnn_create_runtime_v4(graph.subgraph.get(), /*weights_cache=*/nullptr, /*workspace=*/nullptr,
                                      pool.get(), flags, &created),
                "Packing the network");
    runtime.reset(created);
    CheckStatus(xnn_reshape_runtime(runtime.get()), "Planning the network's memory");
    std::vector<xnn_external_value> external = {{kInputId, input.get()}};
    for (size_t i = 0; i < outputs.size(); i++) {
      external.push_back({kFirstOutputId + static_cast<uint32_t>(i), outputs[i].get()});
    }
    CheckStatus(xnn_setup_runtime_v2(runtime.get(), external.size(), external.data()), "Setting up the network");
  }

  void BuildSparse(const Plan& plan) {
    std::vector<float*> targets;
    for (const auto& output : outputs) targets.push_back(output.get());
    sparse = std::make_unique<SparseNetwork>(plan, input.get(), targets, pool.get());
    if (profile) sparse_times.resize(plan.layers.size());
  }
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
  const bool sparse = options.sparse && SparseNetwork::Supports(plan);
  state_ = std::make_unique<State>(plan, /*unroll=*/!sparse);
  State& state = *state_;
  state.profile = options.profile;

  if (options.threads > 1) state.pool = CreateThreadPool(options.threads);
  state.input_size = ElementCount(plan.values[plan.input]);
  state.input = MakePaddedBuffer(state.layout.bytes());
  for (size_t i = 0; i < plan.outputs.size(); i++) {
    const size_t size = ElementCount(plan.values[plan.outputs[i]]);
    state.output_sizes.push_back(size);
    state.output_size += size;
    state.outputs.push_back(MakePaddedBuffer(size * sizeof(float)));
  }
  for (const Layer& layer : plan.layers) {
    if (&layer != state.layout.converted()) state.layer_names.push_back(layer.name);
  }
  if (sparse) {
    state.BuildSparse(plan);
  } else {
    state.BuildRuntime(plan, RuntimeFlags(options));
  }
}

Session::~Session() = default;

size_t Session::input_size() const { return state_->input_size; }

size_t Session::output_size() const { return state_->output_size; }

void Session::Run(const float* input, float* output) {
  Load(input);
  Invoke();
  Read(output);
}

void Session::Load(const float* input) { state_->layout.Copy(input, state_->input.get()); }

void Session::Invoke() {
  const RunGuard guard(state_->running);
  if (state_->sparse) {
    state_->sparse->Run(state_->profile ? &state_->sparse_times : nullptr);
  } else {
    CheckStatus(xnn_invoke_runtime(state_->runtime.get()), "Running the network");
  }
}

void Session::Read(float* output) const {
  for (size_t i = 0; i < state_->outputs.size(); i++) {
    std::memcpy(output, state_->outputs[i].get(), state_->output_sizes[i] * sizeof(float));
    output += state_->output_sizes[i];
  }
}

std::vector<OperatorTime> Session::Profile() const {
  if (!state_->profile) throw Error("This session was not created with `profile: true`");
  if (state_->sparse) {
    std::vector<OperatorTime> operators;
    for (size_t i = 0; i < state_->layer_names.size(); i++) {
      operators.push_back({state_->layer_names[i], state_->sparse->operator_names()[i], state_->sparse_times[i]});
    }
    return operators;
  }
  const std::vector<uint64_t> times = ProfilingInfo<uint64_t>(state_->runtime.get(), xnn_profile_info_operator_timing);
  const std::vector<char> names = ProfilingInfo<char>(state_->runtime.get(), xnn_profile_info_operator_name);

  std::vector<OperatorTime> operators;
  auto name = names.begin();
  for (uint64_t time : times) {
    const auto end = std::find(name, names.end(), '\0');
    operators.push_back({"", std::string(name, end), time});
    name = end == names.end() ? end : end + 1;
  }
  if (operators.size() == state_->layer_names.size()) {
    for (size_t i = 0; i < operators.size(); i++) operators[i].layer = state_->layer_names[i];
  }
  return operators;
}

}  // namespace neonsense::engine
