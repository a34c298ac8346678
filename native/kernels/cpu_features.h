#pragma once

namespace neonsense::kernels {

// What kernels need to know of the CPU they are chosen for. Whoever asks the CPU fills it in.
struct CpuFeatures {
  bool avx2_fma3 = false;
  bool avx512f = false;
  // With avx2_fma3.
  bool avxvnni = false;
  // With avx512f.
  bool avx512vnni = false;
  // Arithmetic on halves, of ARM.
  bool fp16 = false;
  // Sums of four products of bytes, of ARM.
  bool dotprod = false;
};

}  // namespace neonsense::kernels
