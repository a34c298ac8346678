// Finds instructions in arm64 code that armv8-a, the baseline of a Raspberry Pi 3 and 4, does not have, and says in
// which functions they are. Instructions are 4 bytes, aligned and little-endian, so words can be tested without
// disassembling.

/**
 * What counts as use of an extension (Arm Architecture Reference Manual, C4), and the names of functions that may use
 * it because something asked the CPU first: XNNPACK's kernels carry their extension in the name and are chosen at run
 * time; the outline-atomics helpers of compiler-rt test __aarch64_have_lse_atomics.
 */
const EXTENSIONS = [
  {
    name: 'LSE',
    uses: (word) =>
      masked(word, 0x3f200c00) === 0x38200000 || // LDADD, LDCLR, LDEOR, LDSET, LDSMAX ..., SWP, LDAPR
      masked(word, 0x3fa07c00) === 0x08a07c00 || // CAS
      masked(word, 0xbfa07c00) === 0x08207c00, // CASP; with bit 31 set it would be LDXP or STXP
    mayUse: /^_?__aarch64_(?:cas|swp|ldadd|ldclr|ldeor|ldset)\d+_(?:relax|acq|rel|acq_rel|sync)$/,
  },
  {
    name: 'dot product',
    uses: (word) => masked(word, 0x9fe0fc00) === 0x0e809400 || masked(word, 0x9fc0f400) === 0x0f80e000,
    mayUse: /neondot|neoni8mm/,
  },
  {
    name: 'I8MM',
    uses: (word) =>
      masked(word, 0x9fe0fc00) === 0x0e80a400 || // SMMLA, UMMLA
      masked(word, 0xbfe0f400) === 0x0e80a400 || // USMMLA
      masked(word, 0xbfe0fc00) === 0x0e809c00 || // USDOT, vector
      masked(word, 0xbf40f400) === 0x0f00f000, // USDOT, SUDOT by element
    mayUse: /neoni8mm/,
  },
  {
    name: 'half-precision arithmetic',
    uses: (word) =>
      masked(word, 0x9f60c400) === 0x0e400400 || // three vectors
      masked(word, 0x9fc0d400) === 0x0f001000 || // FMLA, FMLS by element
      masked(word, 0x9fc0f400) === 0x0f009000 || // FMUL, FMULX by element
      masked(word, 0xffe00c00) === 0x1ee00800 || // two scalars
      masked(word, 0xffc00000) === 0x1fc00000, // FMADD and its kind
    // XNNPACK takes kernels with _f16_ output only where the CPU has half-precision arithmetic; we take loops over Half.
    mayUse:
      /fp16arith|_f16_\w+__neoni8mm|Run[A-Z]\w+NeonFp16|kernels\d+_GLOBAL__N_\w*(?:Depthwise|Pointwise|Stem)TilesI\w*4HalfE/,
  },
  { name: 'SVE', uses: (word) => masked(word, 0x1e000000) === 0x04000000, mayUse: undefined },
];

/** What no kernel is written in. */
const FORBIDDEN = ['LSE', 'SVE'];

/**
 * @param {{ address: number, bytes: Buffer }[]} code
 * @param {{ name: string, address: number }[]} functions  and data between them, sorted by address
 * @returns {{ extension: string, functions: string[], unguarded: string[] }[]} for each extension in use, the names of
 *   the
 *   functions that use it and, of those, the ones that may run on a CPU without it
 */
export function extensionsIn(code, functions) {
  const found = new Map(EXTENSIONS.map(({ name }) => [name, new Set()]));
  for (const { address, bytes } of code) {
    let next = functions.findIndex((each) => each.address > address);
    if (next < 0) next = functions.length;
    for (let at = 0; at + 4 <= bytes.length; at += 4) {
      while (next < functions.length && functions[next].address <= address + at) next++;
      const word = bytes.readUInt32LE(at);
      for (const { name, uses } of EXTENSIONS) {
        if (uses(word)) found.get(name).add(functions[next - 1]?.name ?? `0x${(address + at).toString(16)}`);
      }
    }
  }
  return EXTENSIONS.filter(({ name }) => found.get(name).size > 0).map(({ name, mayUse }) => {
    const names = [...found.get(name)].sort();
    return { extension: name, functions: names, unguarded: names.filter((each) => mayUse?.test(each) !== true) };
  });
}

/**
 * The same without names of functions, as in a Windows library, whose linker keeps none: only extensions that nothing here
 * may use, wherever they stand. (LSE's helpers are left out of every build, by -mno-outline-atomics.)
 * @param {{ address: number, bytes: Buffer }[]} code
 */
export function forbiddenExtensionsIn(code) {
  return extensionsIn(code, []).filter(({ extension }) => FORBIDDEN.includes(extension));
}

/** JavaScript's & gives a signed number. */
function masked(word, mask) {
  return (word & mask) >>> 0;
}
