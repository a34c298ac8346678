#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "engine/handles.h"
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
    const size_t groups = (shape.out_channels + channels_ - 1) / channels_;
    const size_t threads = pthreadpool_get_threads_count(pool);
    const size_t parts = threads == 1 ? 1 : threads * kPartsForEachThread;
    Task task = {this, &arguments};
    // Neighbouring parts come to the same thread, which had better not fetch all of what is more: rows or weights.
    if (shape.rows >= shape.out_channels) {
      const size_t tiles_at_once = (tiles + parts - 1) / parts;
      const size_t row_parts = (tiles + tiles_at_once - 1) / tiles_at_once;
      pthreadpool_parallelize_2d_tile_2d(
          pool,
          [](void* task, size_t tile, size_t channel, size_t tile_count, size_t channel_count) {
            static_cast<const Task*>(task)->Run(tile, tile_count, channel, channel_count);
          },
          &task, tiles, shape.out_channels, tiles_at_once, ChannelsAtOnce(groups, parts, row_parts), flags_);
    } else {
      const size_t channel_parts = std::min(groups, parts);
      const size_t row_parts = std::min(tiles, (parts + channel_parts - 1) / channel_parts);
      pthreadpool_parallelize_2d_tile_2d(
          pool,
          [](void* task, size_t channel, size_t tile, size_t channel_count, size_t tile_count) {
            static_cast<const Task*>(task)->Run(tile, tile_count, channel, channel_count);
          },
          &task, shape.out_channels, tiles, ChannelsAtOnce(groups, parts, row_parts),
          (tiles + row_parts - 1) / row_parts, flags_);
    }
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

  // So that threads that are done early find more to do.
  static constexpr size_t kPartsForEachThread = 4;

  size_t ChannelsAtOnce(size_t groups, size_t parts, size_t row_parts) const {
    const size_t channel_parts = std::min(groups, (parts + row_parts - 1) / row_parts);
    return (groups + channel_parts - 1) / channel_parts * channels_;
  }

  Kernel kernel_;
  size_t rows_;
  size_t channels_;
  uint32_t flags_;
};

}  // namespace neonsense::engine
