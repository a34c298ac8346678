#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/cpu_features.h"

namespace neonsense::engine {

struct Cpu {
  // As the vendor or the kernel names it; empty where neither says.
  std::string name;
  // Instruction set extensions that decide which kernels run, by the names people know them by: neon, dotprod, i8mm,
  // fp16, avx2, avx512vnni...
  std::vector<std::string> features;
  // Cores of the fastest kind; all of them on a CPU with one kind.
  uint32_t performance_cores = 0;
  uint32_t cores = 0;
};

// Throws Error where the CPU can't be identified, for example without /proc and /sys. Before anything that asks
// cpuinfo, as XNNPACK and pthreadpool do.
void RequireKnownCpu();

// Throws Error as RequireKnownCpu does.
Cpu DetectCpu();

// What kernels of our own are chosen by. False where the CPU can't be identified.
kernels::CpuFeatures KernelFeatures();

// Whether the CPU has instructions for SHA-256; false where it can't be identified.
bool HasSha256();

}  // namespace neonsense::engine
