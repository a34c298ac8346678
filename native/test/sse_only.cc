// With NEONSENSE_TEST_SSE_ONLY in its environment, a test program takes this CPU for one without AVX: XNNPACK's sparse
// kernels run on no other x86 CPU, and emulators of those can't run sanitizers.
#include <cpuinfo.h>

#include <cstdlib>

#include <gtest/gtest.h>

namespace neonsense::engine::test {
namespace {

#if CPUINFO_ARCH_X86_64
class SseOnly : public ::testing::Environment {
 public:
  void SetUp() override {
    if (std::getenv("NEONSENSE_TEST_SSE_ONLY") == nullptr) return;
    ASSERT_TRUE(cpuinfo_initialize());
    cpuinfo_x86_isa& isa = cpuinfo_isa;
    isa.avx = isa.f16c = isa.fma3 = isa.avx2 = isa.avxvnni = isa.avx_vnni_int8 = false;
    isa.avx512f = isa.avx512cd = isa.avx512bw = isa.avx512dq = isa.avx512vl = isa.avx512vbmi = false;
    isa.avx512vnni = isa.avx512fp16 = isa.amx_int8 = isa.gfni = false;
  }
};

const ::testing::Environment* const sse_only = ::testing::AddGlobalTestEnvironment(new SseOnly);
#endif

}  // namespace
}  // namespace neonsense::engine::test
