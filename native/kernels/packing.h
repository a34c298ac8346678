#pragma once

#include <cstddef>
#include <vector>

namespace neonsense::kernels {

// Weights [C, taps] of C output channels in the order float kernels read them: for each `lanes` channels their biases,
// then their weights, [taps, lanes]; zeros behind the last channel.
std::vector<float> PackChannels(size_t channels, size_t taps, size_t lanes, const float* weights, const float* bias);

}  // namespace neonsense::kernels
