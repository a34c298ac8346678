#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace neonsense::kernels::test {

// The same ones each time.
template <typename T>
std::vector<T> RandomNumbers(size_t count, uint32_t seed, float low, float high) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> numbers(low, high);
  std::vector<T> all(count);
  for (T& number : all) number = static_cast<T>(numbers(random));
  return all;
}

}  // namespace neonsense::kernels::test
