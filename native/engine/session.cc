#include "engine/session.h"

#include <atomic>
#include <cstring>

#include "engine/creation_memory.h"
#include "engine/error.h"
#include "engine/half_precision.h"
#include "engine/handles.h"
#include "engine/input/input_layout.h"
#include "engine/operators/dense_executor.h"
#include "engine/operators/memory.h"
#include "engine/operators/sparse_executor.h"
#include "engine/status.h"
#include "engine/subgraph/subgraph_executor.h"
#include "engine/thread_pool.h"
#include "engine/weights/packed_weights.h"

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
  return flags;
}

// How the image is laid out for an executor of dense operators.
bool UnrollsImage(const Plan& plan) { return !DenseExecutor::Supports(plan) || !DenseExecutor::TakesPlainImage(plan); }

// What is left of a plan when its weights are packed: enough for other sessions to be made with them.
struct PackedPlan {
  explicit PackedPlan(const Plan& whole) : plan(whole) {
    scales.reserve(plan.layers.size());
    for (Layer& layer : plan.layers) {
      // XNNPACK reads these whenever an operator is made.
      const Span<const float> read = layer.weights.scales;
      const std::vector<float>& kept = scales.emplace_back(read.data, read.data + read.size);
      layer.weights.f32 = {};
      layer.weights.factors = {};
      layer.weights.qc8 = {};
      layer.weights.qu8 = {};
      layer.weights.scales = {kept.data(), kept.size()};
      layer.bias_f32 = {};
      layer.bias_i32 = {};
    }
  }
  PackedPlan(const PackedPlan&) = delete;
  PackedPlan& operator=(const PackedPlan&) = delete;

  Plan plan;
  std::vector<std::vector<float>> scales;
};

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
  SessionOptions options;
  std::unique_ptr<InputLayout> layout;
  size_t input_size = 0;
  std::array<size_t, 3> input_shape{};
  size_t output_size = 0;
  std::vector<size_t> output_sizes;
  std::atomic<bool> running{false};
  // Images are copied into storage of ours: nobody can change it meanwhile, and it has room past its end.
  std::unique_ptr<float[]> input;
  std::vector<std::unique_ptr<float[]>> outputs;
  // Only where the executor has no memory for it.
  std::unique_ptr<float[]> staging;
  ThreadPoolHandle pool;
  std::unique_ptr<PackedWeights> weights;
  // Last: it goes before the pool, the weights and the buffers it points to.
  std::unique_ptr<Executor> executor;
  // What another session of the plan is made of; null where there can be none.
  std::shared_ptr<const PackedPlan> plan;

  State(const Plan& plan, const SessionOptions& options, bool unroll, std::unique_ptr<PackedWeights> packed);
  std::vector<float*> targets() const;
};

Session::State::State(const Plan& plan, const SessionOptions& wanted, bool unroll,
                      std::unique_ptr<PackedWeights> packed)
    : options(wanted), layout(InputLayout::Choose(plan, unroll)), weights(std::move(packed)) {
  if (options.threads < 1 || options.threads > kMaxThreads) {
    throw Error("A session needs 1 to " + std::to_string(kMaxThreads) + " threads, not " +
                std::to_string(options.threads));
  }
  if (options.threads > 1) pool = CreateThreadPool(options.threads);
  input_size = ElementCount(plan.values[plan.input]);
  input_shape = plan.values[plan.input].shape;
  input = MakePaddedBuffer(layout->bytes());
  for (uint32_t value : plan.outputs) {
    const size_t size = ElementCount(plan.values[value]);
    output_sizes.push_back(size);
    output_size += size;
    outputs.push_back(MakePaddedBuffer(size * sizeof(float)));
  }
}

std::vector<float*> Session::State::targets() const {
  std::vector<float*> targets;
  for (const auto& output : outputs) targets.push_back(output.get());
  return targets;
}

Session::Session(const Plan& given, const SessionOptions& options) {
  Validate(given);
  InitializeXnnpack();
  if (options.fp16 && options.sparse) throw Error("A session is either sparse or fp16, not both");
  if (options.fp16 && !HasNativeFp16()) throw Error("This CPU has no native fp16 arithmetic");
  if (options.fp16 && !DenseExecutor::Supports(given)) throw Error("Unsigned bytes have no half precision beside them");
  const Plan half = options.fp16 ? InHalfPrecision(given) : Plan();
  const Plan& plan = options.fp16 ? half : given;
  const bool sparse = options.sparse && SparseExecutor::Supports(plan);
  state_ = std::make_unique<State>(plan, options, !sparse && UnrollsImage(plan), std::make_unique<PackedWeights>());
  State& state = *state_;
  CreationMemory memory(plan);
  std::unique_ptr<Executor> executor;
  bool is_dense = false;
  if (sparse) {
    executor = std::make_unique<SparseExecutor>(plan, state.input.get(), state.targets(), *state.weights,
                                                state.pool.get(), options.profile);
  } else if (DenseExecutor::Supports(plan)) {
    is_dense = true;
    executor = std::make_unique<DenseExecutor>(plan, *state.layout, state.input.get(), state.targets(), *state.weights,
                                               state.pool.get(), options.profile);
  } else {
    executor = std::make_unique<SubgraphExecutor>(plan, *state.layout, state.input.get(), state.targets(),
                                                  *state.weights, state.pool.get(), RuntimeFlags(options));
  }
  memory.Keep();
  state.executor = std::move(executor);
  if (is_dense && state.weights->can_repeat()) state.plan = std::make_shared<const PackedPlan>(plan);
}

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}

std::unique_ptr<Session> Session::Another(uint32_t threads) const {
  if (state_->plan == nullptr) return nullptr;
  const Plan& plan = state_->plan->plan;
  SessionOptions options = state_->options;
  options.threads = threads;
  auto state = std::make_unique<State>(plan, options, UnrollsImage(plan),
                                       std::make_unique<PackedWeights>(state_->weights->blocks()));
  CreationMemory memory(plan);
  auto executor = std::make_unique<DenseExecutor>(plan, *state->layout, state->input.get(), state->targets(),
                                                  *state->weights, state->pool.get(), options.profile);
  memory.Keep();
  state->executor = std::move(executor);
  state->plan = state_->plan;
  return std::unique_ptr<Session>(new Session(std::move(state)));
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

float* Session::Staging() {
  if (state_->layout->is_plain()) return state_->input.get();
  const Span<char> scratch = state_->executor->Scratch();
  if (scratch.size >= state_->input_size * sizeof(float)) return reinterpret_cast<float*>(scratch.data);
  if (state_->staging == nullptr) state_->staging = std::make_unique<float[]>(state_->input_size);
  return state_->staging.get();
}

void Session::Load(const float* input) {
  // It may have been made there: see Staging.
  if (input != state_->input.get()) state_->layout->Copy(input, state_->input.get());
}

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
  if (!state_->options.profile) throw Error("This session was not created with `profile: true`");
  return state_->executor->Profile();
}

}  // namespace neonsense::engine
