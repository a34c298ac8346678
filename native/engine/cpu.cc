#include "engine/cpu.h"

#include <algorithm>
#include <bitset>
#include <cctype>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <utility>

#include <cpuinfo.h>

#include "engine/error.h"
#include "engine/session.h"

namespace neonsense::engine {
namespace {

#ifdef __linux__
using CpuSet = std::bitset<8192>;

// A list of the kernel's such as "0-3,5"; nothing where the file is missing, empty or anything else.
std::optional<CpuSet> ReadCpuList(const char* path) {
  std::ifstream stream(path);
  CpuSet cpus;
  do {
    size_t first = 0;
    if (!(stream >> first)) return std::nullopt;
    size_t last = first;
    if (stream.peek() == '-' && !(stream.ignore() >> last)) return std::nullopt;
    for (size_t cpu = first; cpu <= last && cpu < cpus.size(); cpu++) cpus.set(cpu);
  } while (stream.get() == ',');
  return cpus;
}

CpuSet ReadProcCpuinfo() {
  std::ifstream stream("/proc/cpuinfo");
  CpuSet cpus;
  for (std::string line; std::getline(stream, line);) {
    if (line.rfind("processor", 0) != 0) continue;
    const size_t digits = line.find_first_of("0123456789");
    if (digits != std::string::npos && line.size() - digits <= 4)
      cpus.set(std::stoul(line.substr(digits)) % cpus.size());
  }
  return cpus;
}

// Whether the kernel names a processor that is there. cpuinfo takes it for granted, and where /sys and /proc are there
// but empty, as in some sandboxes, it reads a table that has no entries.
bool NamesAProcessor() {
  const auto present = ReadCpuList("/sys/devices/system/cpu/present");
  const auto possible = ReadCpuList("/sys/devices/system/cpu/possible");
  CpuSet cpus = present ? *present : ReadProcCpuinfo();
  if (possible) cpus &= *possible;
  return cpus.any();
}
#endif

// False where cpuinfo can't tell what this CPU is, or would crash trying. Before anything else that asks cpuinfo.
bool IdentifyCpu() {
#ifdef __linux__
  // Once, as cpuinfo does: what has been identified stays so, whatever is mounted afterwards.
  static const bool named = NamesAProcessor();
  if (!named) return false;
#endif
  return cpuinfo_initialize();
}

std::vector<std::string> Features() {
  const std::pair<const char*, bool> known[] = {
#if CPUINFO_ARCH_ARM || CPUINFO_ARCH_ARM64
    {"neon", cpuinfo_has_arm_neon()},
    {"fp16", cpuinfo_has_arm_neon_fp16_arith()},
    {"dotprod", cpuinfo_has_arm_neon_dot()},
    {"i8mm", cpuinfo_has_arm_i8mm()},
    {"bf16", cpuinfo_has_arm_bf16()},
    {"sve2", cpuinfo_has_arm_sve2()},
#elif CPUINFO_ARCH_X86 || CPUINFO_ARCH_X86_64
    {"sse4.1", cpuinfo_has_x86_sse4_1()},
    {"avx", cpuinfo_has_x86_avx()},
    {"f16c", cpuinfo_has_x86_f16c()},
    {"fma3", cpuinfo_has_x86_fma3()},
    {"avx2", cpuinfo_has_x86_avx2()},
    {"avxvnni", cpuinfo_has_x86_avxvnni()},
    {"avx512f", cpuinfo_has_x86_avx512f()},
    {"avx512bw", cpuinfo_has_x86_avx512bw()},
    {"avx512vnni", cpuinfo_has_x86_avx512vnni()},
    {"avx512fp16", cpuinfo_has_x86_avx512fp16()},
#endif
  };
  std::vector<std::string> present;
  for (const auto& [name, has] : known) {
    if (has) present.emplace_back(name);
  }
  return present;
}

// cpuinfo lists clusters fastest first, but a frequency of 0 means it could not tell them apart.
uint32_t CountPerformanceCores() {
  const uint32_t clusters = cpuinfo_get_clusters_count();
  if (clusters == 0) return cpuinfo_get_cores_count();
  const cpuinfo_cluster* fastest = cpuinfo_get_cluster(0);
  uint32_t cores = 0;
  for (uint32_t i = 0; i < clusters; i++) {
    const cpuinfo_cluster* cluster = cpuinfo_get_cluster(i);
    if (cluster->uarch == fastest->uarch && cluster->frequency == fastest->frequency) cores += cluster->core_count;
  }
  return cores;
}

}  // namespace

void RequireKnownCpu() {
  if (!IdentifyCpu()) throw Error("This CPU can't be identified: are /proc and /sys mounted?");
}

Cpu DetectCpu() {
  RequireKnownCpu();
  Cpu cpu;
  if (const cpuinfo_package* package = cpuinfo_get_package(0)) cpu.name = package->name;
  cpu.features = Features();
  cpu.cores = std::max(1u, cpuinfo_get_cores_count());
  cpu.performance_cores = std::max(1u, CountPerformanceCores());
  return cpu;
}

kernels::CpuFeatures KernelFeatures() {
  kernels::CpuFeatures features;
  if (!IdentifyCpu()) return features;
#if CPUINFO_ARCH_X86 || CPUINFO_ARCH_X86_64
  features.avx2_fma3 = cpuinfo_has_x86_avx2() && cpuinfo_has_x86_fma3();
  features.avxvnni = features.avx2_fma3 && cpuinfo_has_x86_avxvnni();
  features.avx512f = cpuinfo_has_x86_avx512f();
  features.avx512vnni = features.avx512f && cpuinfo_has_x86_avx512vnni();
#endif
#if CPUINFO_ARCH_ARM64
  features.dotprod = cpuinfo_has_arm_neon_dot();
#endif
  features.fp16 = HasNativeFp16();
  return features;
}

bool HasSha256() {
  if (!IdentifyCpu()) return false;
#if CPUINFO_ARCH_ARM || CPUINFO_ARCH_ARM64
  return cpuinfo_has_arm_sha2();
#else
  return cpuinfo_has_x86_sha() && cpuinfo_has_x86_sse4_1();
#endif
}

bool HasNativeFp16() {
  if (!IdentifyCpu()) return false;
#if CPUINFO_ARCH_ARM || CPUINFO_ARCH_ARM64
  return cpuinfo_has_arm_neon_fp16_arith();
#else
  // x64's is not built in: see third_party/xnnpack.cmake.
  return false;
#endif
}

}  // namespace neonsense::engine
