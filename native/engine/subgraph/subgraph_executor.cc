#include "engine/subgraph/subgraph_executor.h"

#include <algorithm>

#include "engine/status.h"
#include "engine/subgraph/graph.h"

namespace neonsense::engine {
namespace {

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

SubgraphExecutor::SubgraphExecutor(const Plan& plan, const InputLayout& layout, void* input,
                                   const std::vector<float*>& outputs, PackedWeights& weights, pthreadpool_t pool,
                                   uint32_t flags) {
  for (size_t i = 0; i < plan.layers.size(); i++) {
    if (i != layout.converted()) layer_names_.push_back(plan.layers[i].name);
  }
  const Graph graph = BuildGraph(plan, layout);
  // XNNPACK would make one itself, and use it without looking whether there was memory for it.
  xnn_workspace_t created_workspace = nullptr;
  CheckStatus(xnn_create_workspace(&created_workspace), "Packing the network");
  const WorkspaceHandle workspace(created_workspace);
  xnn_runtime_t created = nullptr;
  CheckStatus(xnn_create_runtime_v4(graph.subgraph.get(), weights.cache(), workspace.get(), pool, flags, &created),
              "Packing the network");
  runtime_.reset(created);
  weights.ThrowIfOutOfMemory();
  CheckStatus(xnn_reshape_runtime(created), "Planning the network's memory");
  std::vector<xnn_external_value> external = {{kInputId, input}};
  for (size_t i = 0; i < outputs.size(); i++) {
    external.push_back({kFirstOutputId + static_cast<uint32_t>(i), outputs[i]});
  }
  CheckStatus(xnn_setup_runtime_v2(created, external.size(), external.data()), "Setting up the network");
}

void SubgraphExecutor::Run() { CheckStatus(xnn_invoke_runtime(runtime_.get()), "Running the network"); }

std::vector<OperatorTime> SubgraphExecutor::Profile() const {
  const std::vector<uint64_t> times = ProfilingInfo<uint64_t>(runtime_.get(), xnn_profile_info_operator_timing);
  const std::vector<char> names = ProfilingInfo<char>(runtime_.get(), xnn_profile_info_operator_name);
  std::vector<OperatorTime> operators;
  auto name = names.begin();
  for (uint64_t time : times) {
    const auto end = std::find(name, names.end(), '\0');
    operators.push_back({"", std::string(name, end), time});
    name = end == names.end() ? end : end + 1;
  }
  if (operators.size() == layer_names_.size()) {
    for (size_t i = 0; i < operators.size(); i++) operators[i].layer = layer_names_[i];
  }
  return operators;
}

}  // namespace neonsense::engine
