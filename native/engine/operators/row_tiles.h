#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "engine/handles.h"
#include "engine/operators/thread_parts.h"
#include "kernels/pointwise.h"

namespace neonsense::engine {

// Shares the rows and channels of a 1x1 convolution among threads.
template <typename Arguments>
class RowTiles {
 public:
  using Kernel = void (*)(const Arguments&, const kernels::PointwisePart&);

  // `kernel` computes `rows` rows in `channels` channels at a time.
  RowTiles(Kernel kernel, size_t rows, size_t channels, uint32_t flags)
      : kernel_(kernel), rows_(rows), channels_(channels), flags_(flags) {}

  void Run(pthreadpool_t pool, const Arguments& arguments) const {
    const kernels::PointwiseShape& shape = arguments.shape;
    // What is left of the rows joins the last tile, which reaches back over rows of its own part.
    const size_t tiles = shape.rows / rows_;
    const size_t threads = pthreadpool_get_threads_count(pool);
    // Where there are fewer rows than threads, channels are shared too.
    const size_t groups = (shape.out_channels + channels_ - 1) / channels_;
    const size_t channel_parts = std::min(groups, (threads + tiles - 1) / tiles);
    Task task = {this, &arguments};
    pthreadpool_parallelize_2d_tile_2d(
        pool,
        [](void* task, size_t tile, size_t channel, size_t tile_count, size_t channel_count) {
          static_cast<const Task*>(task)->Run(tile, tile_count, channel, channel_count);
        },
        &task, tiles, shape.out_channels, RowsAtOnce(tiles, threads),
        (groups + channel_parts - 1) / channel_parts * channels_, flags_);
  }

 private:
  struct Task {
    void Run(size_t tile, size_t tile_count, size_t channel, size_t channel_count) const {
      const size_t rows = arguments->shape.rows;
      const size_t end = tile + tile_count;
      const bool is_last = end == rows / self->rows_;
      self->kernel_(*arguments,
                    {tile * self->rows_, is_last ? rows : end * self->rows_, channel, channel + channel_count});
    }

    const RowTiles* self;
    const Arguments* arguments;
  };

  Kernel kernel_;
  size_t rows_;
  size_t channels_;
  uint32_t flags_;
};

}  // namespace neonsense::engine
