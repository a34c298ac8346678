// Runs a plan through engine/ without JavaScript. For each line "COUNT" on stdin it runs COUNT images and prints the
// microseconds of each on one line, so that a caller can take turns with something else.
//
//   engine_bench PLAN_FILE THREADS

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

#include "engine/plan_bytes.h"
#include "engine/session.h"

int main(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  if (argc != 3) {
    std::fprintf(stderr, "Usage: engine_bench PLAN_FILE THREADS\n");
    return 2;
  }
  try {
    neonsense::engine::SessionOptions options;
    options.threads = static_cast<uint32_t>(std::atoi(argv[2]));
    std::ifstream file(argv[1], std::ios::binary);
    std::vector<uint8_t> bytes(std::istreambuf_iterator<char>(file), {});
    neonsense::engine::Session session(neonsense::engine::ReadPlan(bytes.data(), bytes.size()), options);
    const std::vector<float> input(session.input_size(), 0.5f);
    std::vector<float> output(session.output_size());
    for (int count = 0; std::cin >> count;) {
      for (int i = 0; i < count; i++) {
        const Clock::time_point start = Clock::now();
        session.Run(input.data(), output.data());
        const std::chrono::duration<double, std::micro> elapsed = Clock::now() - start;
        std::printf("%.2f%c", elapsed.count(), i + 1 == count ? '\n' : ' ');
      }
      std::fflush(stdout);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "engine_bench: %s\n", error.what());
    return 1;
  }
}
