/** Which of XNNPACK's kernels a CPU gets, for people. */
export interface Kernels {
  /** 1x1 convolutions and Linear layers in float. */
  readonly fp32: string;
  /** The same in int8, with activations quantized as they come. */
  readonly int8: string;
  /** Half-precision arithmetic; null where the CPU has none and half-precision weights run as float. */
  readonly fp16: string | null;
}

/**
 * Names the kernels that XNNPACK at the pinned commit selects by CPU features (its src/configs/gemm-config.c and
 * hardware-config.c). It selects by more than what `Cpu.features` tells, for instance by the core's model, so this
 * names the family only.
 *
 * @param features as `Cpu.features` names them
 */
export function kernelsFor(arch: string, features: readonly string[]): Kernels {
  const firstOf = (table: readonly (readonly [feature: string, kernel: string])[], otherwise: string): string =>
    table.find(([feature]) => features.includes(feature))?.[1] ?? otherwise;
  if (arch === 'arm64') {
    return {
      fp32: 'NEON FMA',
      int8: firstOf(
        [
          ['i8mm', 'NEON i8mm (SMMLA)'],
          ['dotprod', 'NEON dot product (SDOT)'],
        ],
        'NEON multiply-add (SMLAL)',
      ),
      fp16: features.includes('fp16') ? 'NEON half precision' : null,
    };
  }
  return {
    fp32: firstOf(
      [
        ['avx512f', 'AVX-512'],
        ['fma3', 'FMA3'],
        ['avx', 'AVX'],
      ],
      'SSE',
    ),
    int8: firstOf(
      [
        ['avx512vnni', 'AVX-512 VNNI'],
        ['avxvnni', 'AVX-VNNI'],
        ['avx512bw', 'AVX-512'],
        ['avx2', 'AVX2'],
        ['sse4.1', 'SSE4.1'],
      ],
      'SSE2',
    ),
    // XNNPACK's kernels for AVX512-FP16 are not built in (third_party/xnnpack.cmake).
    fp16: null,
  };
}
