import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
// @ts-expect-error a script without types
import { BinaryError } from '../../../scripts/build/binary-file.mjs';
// @ts-expect-error a script without types
import { readElf } from '../../../scripts/build/elf.mjs';
import fc from '../../fastCheck.js';

const script = resolve(import.meta.dirname, '../../../scripts/build/check-binary.mjs');
const canCompile =
  process.platform === 'linux' && ['cc', 'readelf'].every((tool) => spawnSync(tool, ['--version']).status === 0);
const ourArch = process.arch === 'arm64' ? 'arm64' : 'x64';
/** As the addon is linked. */
const LINKING = ['-Wl,-z,max-page-size=16384', '-Wl,-z,nodelete'];
let folder: string;

/** Compiles C into a shared object. */
function compile(name: string, code: string, ...flags: string[]): string {
  const [source, object] = [join(folder, `${name}.c`), join(folder, `${name}.node`)];
  writeFileSync(source, code);
  execFileSync('cc', ['-shared', '-fPIC', '-O1', source, '-o', object, ...LINKING, ...flags]);
  return object;
}

function check(file: string, ...args: string[]) {
  const result = spawnSync(process.execPath, [script, file, ...args], { encoding: 'utf8' });
  return { code: result.status, output: result.stdout, error: result.stderr };
}

const ENTRY = 'void* napi_register_module_v1(void* e, void* x) { return x; }\n';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-elf-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!canCompile)(`check-binary${canCompile ? '' : ' (skipped: no C compiler or no readelf)'}`, () => {
  test('accepts an addon that needs nothing but libc and exports only the Node-API entry', () => {
    const { code, output, error } = check(compile('good', ENTRY), '--arch', ourArch, '--max-glibc', '99.0');
    expect(error).toBe('');
    expect(code).toBe(0);
    expect(output).toContain('napi_register_module_v1');
  });

  test('reads the same libraries, glibc versions, exports and alignments as readelf', () => {
    const object = compile(
      'facts',
      `#include <stdio.h>\n#include <math.h>\n${ENTRY}
      double other(double x) { printf("%f", x); return pow(x, x); }\nint data = 3;
      extern int missing(void);\nint (*const p)(void) = missing;\n`,
      '-lm',
    );
    const elf = readElf(readFileSync(object));
    const readelf = (...args: string[]) => execFileSync('readelf', ['-W', ...args, object], { encoding: 'utf8' });
    const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match[1]).sort();

    const dynamic = readelf('-d');
    expect([...elf.needed].sort()).toEqual(matches(dynamic, /\(NEEDED\).*\[(.*)\]/g));
    const needs = readelf('-V').split("section '.gnu.version_r'")[1] ?? '';
    expect([...elf.versions.values()].flat().sort()).toEqual(matches(needs, /Name: (\S+) /g));
    const symbols = readelf('--dyn-syms');
    expect(elf.exported).toEqual(matches(symbols, /(?:GLOBAL|WEAK)\s+DEFAULT\s+\d+ (\w+)/g));
    expect(elf.imported).toEqual(matches(symbols, /(?:GLOBAL|WEAK)\s+DEFAULT\s+UND (\w+)/g));
    expect(elf.segments.map((segment: { align: number }) => segment.align)).toEqual(
      [...readelf('-l').matchAll(/^\s*LOAD .*(0x[0-9a-f]+)$/gm)].map((match) => Number(match[1])),
    );
    expect(elf.exported).toEqual(expect.arrayContaining(['data', 'napi_register_module_v1', 'other', 'p']));
  });

  test.each([
    ['another architecture', ENTRY, [], ['--arch', 'mips'], /is for \w+, expected mips/],
    [
      'a glibc symbol that is too new',
      `#include <stdlib.h>\nvoid* f(void) { return malloc(1); }\n${ENTRY}`,
      [],
      ['--max-glibc', '2.1'],
      /needs glibc 2\.[\d.]+, expected at most 2\.1\b/,
    ],
    [
      'a library that a machine may lack',
      `#include <math.h>\ndouble f(double x) { return sin(x); }\n${ENTRY}`,
      ['-Wl,--no-as-needed', '-lgcc_s'],
      [],
      /needs libgcc_s\.so\.1/,
    ],
    [
      'a symbol besides the entry',
      `int leaked;\n${ENTRY}`,
      [],
      [],
      /exports 1 symbols besides the Node-API entry \(leaked\)/,
    ],
    [
      'a missing entry',
      'static int x; int* node_api_module_get_api_version_v1(void) { return &x; }',
      [],
      [],
      /does not export napi_register_module_v1/,
    ],
    [
      'a path of the build machine',
      `const char* napi_where(void) __attribute__((visibility("hidden")));
      const char* napi_where(void) { return "/home/someone/project/native/engine.cc"; }
      void* napi_register_module_v1(void* e, void* x) { return (void*)napi_where(); }`,
      [],
      [],
      /carries 1 paths of the build machine, e\.g\. \/home\/someone/,
    ],
    ['a library search path', ENTRY, ['-Wl,-rpath,/opt/lib'], [], /library search path \/opt\/lib/],
    ['an executable stack', ENTRY, ['-Wl,-z,execstack'], [], /executable stack/],
    ['a file that is too large', ENTRY, [], ['--max-bytes', '100'], /expected at most 100/],
  ])('refuses %s', (name, code, flags, args, message) => {
    const { code: exit, error } = check(compile(name.replaceAll(' ', '-'), code, ...flags), ...args);
    expect(error).toMatch(message);
    expect(exit).toBe(1);
  });

  test('refuses 4 KiB segments in an arm64 binary', () => {
    // The machine field alone makes an arm64 binary of it, as far as this reader can see.
    const file = readFileSync(compile('small-pages', ENTRY, '-Wl,-z,max-page-size=4096'));
    file.writeUInt16LE(183, 18);
    const object = join(folder, 'small-pages-arm64.node');
    writeFileSync(object, file);
    expect(check(object, '--arch', 'arm64').error).toMatch(/segments are aligned to 4096 bytes/);
  });

  test('--json carries the facts and the problems', () => {
    const { code, output } = check(compile('json', `int leaked;\n${ENTRY}`), '--json');
    const report = JSON.parse(output);
    expect(report).toMatchObject({ format: 'elf', arch: ourArch, exported: ['leaked', 'napi_register_module_v1'] });
    expect(report.problems).toHaveLength(1);
    expect(code).toBe(1);
  });

  test('a truncated or altered file gives a BinaryError, never another exception or an endless loop', () => {
    const whole = readFileSync(compile('fuzz', ENTRY));
    const read = (file: Buffer) => {
      try {
        readElf(file);
      } catch (error) {
        if (!(error instanceof BinaryError)) throw error;
      }
    };
    for (let length = 0; length < whole.length; length += 97) read(whole.subarray(0, length));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1500), fc.nat(255)), { minLength: 1, maxLength: 8 }), (edits) => {
        const file = Buffer.from(whole);
        for (const [at, value] of edits) file[at] = value;
        read(file);
      }),
      { numRuns: 300 },
    );
  });
});

test('says what is wrong with a file that is no ELF file or not there', () => {
  expect(check(script).error).toMatch(/not an ELF file/);
  expect(check(join(folder, 'nothing')).error).toMatch(/ENOENT/);
  expect(check(script).code).toBe(1);
});
