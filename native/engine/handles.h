#pragma once

#include <memory>

#include <pthreadpool.h>
#include <xnnpack.h>

namespace neonsense::engine {

struct SubgraphDeleter {
  void operator()(xnn_subgraph_t subgraph) const { xnn_delete_subgraph(subgraph); }
};
struct RuntimeDeleter {
  void operator()(xnn_runtime_t runtime) const { xnn_delete_runtime(runtime); }
};
struct WorkspaceDeleter {
  void operator()(xnn_workspace_t workspace) const { xnn_release_workspace(workspace); }
};
struct OperatorDeleter {
  void operator()(xnn_operator_t op) const { xnn_delete_operator(op); }
};
struct ThreadPoolDeleter {
  void operator()(pthreadpool_t pool) const { pthreadpool_destroy(pool); }
};

using SubgraphHandle = std::unique_ptr<xnn_subgraph, SubgraphDeleter>;
using RuntimeHandle = std::unique_ptr<xnn_runtime, RuntimeDeleter>;
using WorkspaceHandle = std::unique_ptr<xnn_workspace, WorkspaceDeleter>;
using OperatorHandle = std::unique_ptr<xnn_operator, OperatorDeleter>;
using ThreadPoolHandle = std::unique_ptr<pthreadpool, ThreadPoolDeleter>;

}  // namespace neonsense::engine
