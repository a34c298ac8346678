#include "kernels/packing.h"

namespace neonsense::kernels {

std::vector<float> PackChannels(size_t channels, size_t taps, size_t lanes, const float* weights, const float* bias) {
  const size_t groups = (channels + lanes - 1) / lanes;
  std::vector<float> packed(groups * (1 + taps) * lanes);
  for (size_t c = 0; c < channels; c++) {
    float* lane = packed.data() + c / lanes * (1 + taps) * lanes + c % lanes;
    lane[0] = bias[c];
    for (size_t tap = 0; tap < taps; tap++) lane[(1 + tap) * lanes] = weights[c * taps + tap];
  }
  return packed;
}

}  // namespace neonsense::kernels
