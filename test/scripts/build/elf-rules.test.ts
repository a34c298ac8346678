import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
// @ts-expect-error a script without types
import { BinaryError } from '../../../scripts/build/binary-file.mjs';
// @ts-expect-error a script without types
import { describeBinary, problemsOf } from '../../../scripts/build/check-binary.mjs';
// @ts-expect-error a script without types
import { stripElf } from '../../../scripts/build/cross/strip-elf.mjs';
// @ts-expect-error a script without types
import { readElf, readElfCode } from '../../../scripts/build/elf.mjs';
import fc from '../../fastCheck.js';
import { ENTRY, type Shape, tinyElf } from './tinyElf.js';

const glibc = { format: 'elf', arch: 'arm64', libc: 'glibc', maxGlibc: '2.28', maxBytes: 100_000 };
const musl: Shape = { needed: ['libc.so'], versions: [] };
const problems = (shape: Shape, expected: object = glibc): string[] =>
  problemsOf(describeBinary(tinyElf(shape)), expected);

describe('an ELF addon', () => {
  test('is accepted for the C library it needs', () => {
    expect(problems({})).toEqual([]);
    expect(problems(musl, { ...glibc, libc: 'musl' })).toEqual([]);
    expect(problems({ needed: ['libc.so', 'liblog.so'], versions: ['LIBC'] }, { libc: 'bionic' })).toEqual([]);
  });

  test.each<[string, Shape, RegExp]>([
    ['another CPU', { machine: 62 }, /is for x64, expected arm64/],
    ['a newer glibc', { versions: ['GLIBC_2.17', 'GLIBC_2.34'] }, /needs glibc 2\.34, expected at most 2\.28/],
    ['a library of the compiler', { needed: ['libc.so.6', 'libstdc++.so.6'] }, /needs libstdc\+\+\.so\.6/],
    ['another exported symbol', { exported: [...ENTRY, 'napi_other'] }, /exports 1 symbols besides.*napi_other/],
    ['a missing entry', { exported: [] }, /does not export napi_register_module_v1/],
    ['4 KiB segments', { align: 4096 }, /aligned to 4096 bytes/],
    ['a segment whose address and place in the file differ by half a page', { slide: 8192 }, /aligned to 1 bytes/],
    ['writable code', { flags: 7 }, /writable and executable/],
    ['an executable stack', { stackFlags: 7 }, /executable stack/],
    ['text relocations', { dynamic: [[22, 0]] }, /text relocations/],
    ['packed relocations', { dynamic: [[36, 0]] }, /packed relocations/],
    ['thread-local variables of the initial-exec model', { dynamic: [[30, 16]] }, /initial-exec/],
    ['an end together with its thread', { unloads: true }, /not linked with -z nodelete/],
    ['a search path', { dynamic: [[29, 1]] }, /library search path napi_register_module_v1/],
    ['memory of its own handed out as a buffer', { trailer: 'napi_create_external_arraybuffer\0' }, /Electron forbids/],
    [
      'a path of the build machine',
      { trailer: '/home/someone/engine/graph.cc\0' },
      /\/home\/someone\/engine\/graph\.cc/,
    ],
  ])('is refused with %s', (_name, shape, message) => {
    expect(problems(shape).join('\n')).toMatch(message);
    expect(problems(shape)).toHaveLength(1);
  });

  test('is refused for another C library than its own', () => {
    expect(problems(musl).join('\n')).toMatch(/is for musl, expected glibc/);
    expect(problems({}, { libc: 'musl' }).join('\n')).toMatch(/is for glibc, expected musl/);
    expect(problems({}, { libc: 'musl' }).join('\n')).toMatch(/needs libc\.so\.6/);
    expect(problems({ needed: ['libc.so'], versions: ['LIBC'] }, { libc: 'musl' }).join()).toMatch(/is for bionic/);
  });

  test('is refused where a Mach-O file is expected, and when it is too large', () => {
    expect(problems({}, { format: 'mach-o' }).join()).toMatch(/is for elf, expected mach-o/);
    expect(problems({}, { maxBytes: 100 }).join()).toMatch(/expected at most 100/);
  });
});

// Encodings by LLVM's assembler.
const RET = 0xd65f03c0;
const beyondArmv8: [string, string, number[]][] = [
  ['LSE', 'ldadd w0, w1, [x2]', [0xb8200041]],
  ['LSE', 'swpal x3, x4, [sp]', [0xf8e383e4]],
  ['LSE', 'cas w0, w1, [x2]', [0x88a07c41]],
  ['LSE', 'casb w0, w1, [x2]', [0x08a07c41]],
  ['LSE', 'caspal x0, x1, x2, x3, [x4]', [0x4860fc82]],
  ['dot product', 'sdot v0.4s, v1.16b, v2.16b', [0x4e829420]],
  ['dot product', 'udot v0.2s, v1.8b, v2.8b', [0x2e829420]],
  ['dot product', 'sdot v31.4s, v30.16b, v29.4b[3]', [0x4fbdebdf]],
  ['I8MM', 'smmla v0.4s, v1.16b, v2.16b', [0x4e82a420]],
  ['I8MM', 'usmmla v0.4s, v1.16b, v2.16b', [0x4e82ac20]],
  ['I8MM', 'usdot v0.4s, v1.16b, v2.16b', [0x4e829c20]],
  ['I8MM', 'sudot v0.4s, v1.16b, v2.4b[1]', [0x4f22f020]],
  ['half-precision arithmetic', 'fmla v0.8h, v1.8h, v2.8h', [0x4e420c20]],
  ['half-precision arithmetic', 'fmla v0.8h, v1.8h, v2.h[3]', [0x4f321020]],
  ['half-precision arithmetic', 'fmul v0.8h, v1.8h, v2.h[0]', [0x4f029020]],
  ['half-precision arithmetic', 'fadd h0, h1, h2', [0x1ee22820]],
  ['half-precision arithmetic', 'fmadd h0, h1, h2, h3', [0x1fc20c20]],
  ['SVE', 'add z0.s, z1.s, z2.s', [0x04a20020]],
];
const inArmv8: [string, number][] = [
  ['ldxr w0, [x1]', 0x885f7c20],
  ['stlxr w2, w0, [x1]', 0x8802fc20],
  ['ldaxp x0, x1, [x2]', 0xc87f8440],
  ['stlxp w5, x0, x1, [x2]', 0xc8258440],
  ['ldar x0, [x1]', 0xc8dffc20],
  ['ldr x0, [x1, x2]', 0xf8626820],
  ['str q0, [x1, x2, lsl #4]', 0x3ca27820],
  ['prfm pldl1keep, [x0, x1]', 0xf8a16800],
  ['fmla v0.4s, v1.4s, v2.4s', 0x4e22cc20],
  ['fmla v0.4s, v1.4s, v2.s[3]', 0x4fa21820],
  ['fcvt h0, s1', 0x1e23c020],
  ['fcvtn v0.4h, v1.4s', 0x0e216820],
  ['smlal v0.4s, v1.4h, v2.h[3]', 0x0f722020],
  ['smlal v0.4s, v1.4h, v2.4h', 0x0e628020],
  ['mla v0.4s, v1.4s, v2.4s', 0x4ea29420],
  ['zip1 v0.8h, v1.8h, v2.8h', 0x4e423820],
  ['tbl v0.16b, {v1.16b}, v2.16b', 0x4e020020],
  ['dup v0.8h, v1.h[0]', 0x4e020420],
  ['shl v0.8h, v1.8h, #3', 0x4f135420],
];

describe('instructions that armv8-a lacks', () => {
  const check = (code: Shape['code'] & object, shipped = code) =>
    problemsOf(describeBinary(tinyElf({ code: shipped }), tinyElf({ code, symbols: true })), {
      ...glibc,
      baseline: 'armv8-a',
    });

  test.each(beyondArmv8)('%s: %s is found, and in which function', (extension, _text, words) => {
    expect(
      check([
        ['before', RET],
        ['mine', ...words, RET],
        ['after', RET],
      ]),
    ).toEqual([`uses ${extension}, which armv8-a lacks, in code that runs on every CPU: mine`]);
  });

  test('everything else is left alone', () => {
    expect(check([['mine', ...inArmv8.map(([, word]) => word), RET]])).toEqual([]);
  });

  test.each([
    ['__aarch64_ldadd4_acq_rel', 0xb8200041, 'mine'],
    ['xnn_qs8_gemm_minmax_fp32_ukernel_4x16c4__neondot', 0x4e829420, 'xnn_qs8_gemm__neonmlal'],
    ['xnn_qs8_gemm_minmax_fp32_ukernel_4x16c8__neoni8mm', 0x4e82a420, 'xnn_qs8_gemm__neondot'],
    ['xnn_f16_gemm_minmax_ukernel_6x16__asm_aarch64_neonfp16arith_ld64', 0x4e420c20, 'xnn_f32_gemm__neonfma'],
    [
      '_ZN9neonsense7kernels12_GLOBAL__N_17RunRowsINS1_14DepthwiseTilesINS0_4HalfEEELi5ELi1EEEvv',
      0x4e420c20,
      '_ZN9neonsense7kernels12_GLOBAL__N_17RunRowsINS1_14DepthwiseTilesIfEELi5ELi1EEEvv',
    ],
  ])('%s may use what its name says, another function may not', (name, word, other) => {
    expect(check([[name, word, RET]])).toEqual([]);
    expect(check([[other, word, RET]])).toHaveLength(1);
  });

  test('data between functions is no code', () => {
    expect(
      check([
        ['mine', RET],
        ['$d.1', 0x4e829420],
        ['$x.2', RET],
      ]),
    ).toEqual([]);
    expect(
      check([
        ['mine', RET],
        ['$d.1', 0x4e829420],
        ['$x.2', 0x4e829420],
      ]),
    ).toHaveLength(1);
  });

  test('a binary without symbols, or with those of another build, does not pass as searched', () => {
    const binary = describeBinary(tinyElf());
    expect(problemsOf(binary, { ...glibc, baseline: 'armv8-a' }).join()).toMatch(/was not searched/);
    expect(() => check([['mine', RET, RET]], [['mine', 0x4e829420, RET]])).toThrow(/not of one build/);
    expect(() => describeBinary(tinyElf(), tinyElf())).toThrow(/no symbol table/);
  });
});

describe('stripElf', () => {
  const code: Shape['code'] & object = [
    ['secret_function', RET],
    ['other', 0x4e829420, RET],
  ];

  test('takes the symbols away and leaves everything that is loaded as it was', () => {
    const whole = tinyElf({ code, symbols: true, trailer: 'debug information' });
    const stripped = stripElf(whole);
    expect(stripped.includes('secret_function')).toBe(false);
    expect(stripped.includes('debug information')).toBe(false);
    expect(readElf(stripped)).toEqual(readElf(whole));
    // Up to the end of the code; before it, only where the section headers are and how many differs.
    const loaded = 0x1000 + 12;
    const masked = (file: Buffer) =>
      Buffer.concat([file.subarray(0, 40), file.subarray(48, 60), file.subarray(64, loaded)]);
    expect(masked(stripped).equals(masked(whole))).toBe(true);
    expect(() => readElfCode(stripped)).toThrow(/was stripped/);
  });

  test.skipIf(spawnSync('readelf', ['--version']).status !== 0)(
    'leaves section headers that readelf understands',
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'neonsense-strip-'));
      try {
        writeFileSync(join(folder, 'x.node'), stripElf(tinyElf({ code, symbols: true })));
        const { stdout, stderr } = spawnSync('readelf', ['-SW', join(folder, 'x.node')], { encoding: 'utf8' });
        expect(stderr).not.toMatch(/section header|string table/i);
        expect(stdout).toMatch(/\] \.text +PROGBITS +0+1000 001000 00000c/);
        expect(stdout).toMatch(/\] \.shstrtab +STRTAB/);
        expect(stdout).not.toMatch(/symtab/);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );

  test('refuses what is no ELF file', () => {
    expect(() => stripElf(Buffer.from('nothing'))).toThrow(/not a 64-bit/);
  });
});

test('altered section headers and symbols give a BinaryError and nothing else', () => {
  const whole = tinyElf({ symbols: true });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }), (edits) => {
      const file = Buffer.from(whole);
      // Section headers are at the end; the first bytes say where.
      for (const [at, value] of edits) file[at % 2 === 0 ? at % 64 : whole.length - 1 - (at % 400)] = value;
      try {
        readElfCode(file);
      } catch (error) {
        if (!(error instanceof BinaryError)) throw error;
      }
    }),
    { numRuns: 200 },
  );
});

test('check-binary --target expects what the table of targets says', () => {
  const folder = mkdtempSync(join(tmpdir(), 'neonsense-target-'));
  try {
    const file = join(folder, 'neonsense.node');
    writeFileSync(file, tinyElf());
    writeFileSync(`${file}.symbols`, tinyElf({ symbols: true }));
    const check = (target: string) =>
      spawnSync(
        process.execPath,
        [resolve(import.meta.dirname, '../../../scripts/build/check-binary.mjs'), file, '--target', target],
        {
          encoding: 'utf8',
        },
      );
    expect(check('linux-arm64').stderr).toBe('');
    expect(check('linux-arm64').status).toBe(0);
    expect(check('linux-x64').stderr).toMatch(/is for arm64, expected x64/);
    expect(check('linux-arm64-musl').stderr).toMatch(/is for glibc, expected musl/);
    expect(check('windows').stderr).toMatch(/--target: expected one of linux-x64, /);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
