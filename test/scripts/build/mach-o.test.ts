import { describe, expect, test } from 'vitest';
// @ts-expect-error a script without types
import { BinaryError } from '../../../scripts/build/binary-file.mjs';
// @ts-expect-error a script without types
import { describeBinary, problemsOf } from '../../../scripts/build/check-binary.mjs';
// @ts-expect-error a script without types
import { readMachO } from '../../../scripts/build/mach-o.mjs';
import { readDamaged } from './damagedBinary.js';

// Mach-O files made by hand from the numbers in Apple's <mach-o/loader.h>: just load commands and what they point at.

interface Shape {
  cpu?: number;
  type?: number;
  platform?: number;
  minimum?: number;
  dylibs?: string[];
  rpath?: string;
  exported?: string[];
  signed?: boolean;
  text?: { address?: number; offset?: number; protection?: number };
  trailer?: string;
}

const ENTRY = ['_napi_register_module_v1', '_node_api_module_get_api_version_v1'];
const good = { format: 'mach-o', arch: 'arm64', maxMacos: '11.0', maxBytes: 100_000 };

function command(id: number, ...body: Buffer[]): Buffer {
  const content = Buffer.concat(body);
  const padded = Buffer.concat([content, Buffer.alloc((8 - (content.length % 8)) % 8)]);
  return Buffer.concat([u32(id, padded.length + 8), padded]);
}

function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32LE(value, i * 4));
  return bytes;
}

function u64(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, i) => bytes.writeBigUInt64LE(BigInt(value), i * 8));
  return bytes;
}

const text = (value: string) => Buffer.from(`${value}\0`);

/** An export trie. Its offsets stay below 128, so that each is one byte. */
function trie(names: string[]): Buffer {
  if (names.length === 0) return Buffer.from([0, 0]);
  const [first = ''] = names;
  let shared = first.length;
  for (const name of names) while (name.slice(0, shared) !== first.slice(0, shared)) shared--;
  if (names.length === 1) shared = 1;
  const rests = names.map((name) => name.slice(shared));
  const rootEnd = 2 + shared + 1 + 1;
  const node = rootEnd;
  const nodeSize = 2 + rests.reduce((sum, rest) => sum + rest.length + 2, 0);
  const leaf = (index: number) => node + nodeSize + index * 4;
  return Buffer.concat([
    Buffer.from([0, 1]),
    text(first.slice(0, shared)),
    Buffer.from([node]),
    Buffer.from([0, rests.length]),
    ...rests.flatMap((rest, i) => [text(rest), Buffer.from([leaf(i)])]),
    ...rests.map(() => Buffer.from([2, 0, 16, 0])),
  ]);
}

function machO(shape: Shape = {}): Buffer {
  const {
    cpu = 0x0100000c,
    type = 8,
    platform = 1,
    minimum = 11 << 16,
    dylibs = ['/usr/lib/libSystem.B.dylib'],
  } = shape;
  const { address = 0, offset = 0, protection = 5 } = shape.text ?? {};
  const exported = trie(shape.exported ?? ENTRY);
  const commands = (trieAt: number) => [
    command(
      0x19,
      Buffer.from('__TEXT'.padEnd(16, '\0')),
      u64(address, 0x4000, offset, 0x4000),
      u32(5, protection, 0, 0),
    ),
    command(0x19, Buffer.from('__DATA'.padEnd(16, '\0')), u64(0x4000, 0x4000, 0x4000, 0), u32(3, 3, 0, 0)),
    ...dylibs.map((name) => command(0xc, u32(24, 2, 0x10000, 0x10000), text(name))),
    ...(shape.rpath === undefined ? [] : [command(0x8000001c, u32(12), text(shape.rpath))]),
    command(0x32, u32(platform, minimum, 14 << 16, 0)),
    command(0x80000033, u32(trieAt, exported.length)),
    ...(shape.signed === false ? [] : [command(0x1d, u32(trieAt, 0))]),
  ];
  const size = Buffer.concat(commands(0)).length;
  const all = commands(32 + size);
  return Buffer.concat([
    u32(0xfeedfacf, cpu, 0, type, all.length, size, 0, 0),
    ...all,
    exported,
    Buffer.from(shape.trailer ?? ''),
  ]);
}

const problems = (shape: Shape, expected: object = good): string[] =>
  problemsOf(describeBinary(machO(shape)), expected);

describe('a Mach-O bundle', () => {
  test('is accepted when it asks for nothing but macOS', () => {
    expect(problems({})).toEqual([]);
    expect(readMachO(machO())).toMatchObject({
      machine: 'arm64',
      type: 'bundle',
      needed: ['/usr/lib/libSystem.B.dylib'],
      minimum: '11.0',
      signed: true,
      exported: ENTRY.map((name) => name.slice(1)),
    });
  });

  test.each<[string, Shape, RegExp]>([
    ['another CPU', { cpu: 0x01000007 }, /is for x64, expected arm64/],
    ['another system', { platform: 2 }, /is for platform 2, expected macos/],
    ['a newer macOS', { minimum: (13 << 16) | (3 << 8) }, /needs macOS 13\.3, expected at most 11\.0/],
    [
      'a library of Homebrew',
      { dylibs: ['/opt/homebrew/lib/libomp.dylib'] },
      /needs \/opt\/homebrew\/lib\/libomp\.dylib/,
    ],
    ['a search path', { rpath: '/opt/lib' }, /library search path \/opt\/lib/],
    ['another exported symbol', { exported: [...ENTRY, '_napi_other'] }, /exports 1 symbols besides.*napi_other/],
    ['a missing entry', { exported: [] }, /does not export napi_register_module_v1/],
    ['no signature', { signed: false }, /no signature/],
    ['4 KiB segments', { text: { address: 0x1000 } }, /aligned to 4096 bytes/],
    ['a segment at an odd place of the file', { text: { offset: 0x2000 } }, /aligned to 8192 bytes/],
    ['writable code', { text: { protection: 7 } }, /writable and executable/],
    [
      'a path of the build machine',
      { trailer: '\0/Users/someone/engine/graph.cc\0' },
      /\/Users\/someone\/engine\/graph\.cc/,
    ],
  ])('is refused with %s', (_name, shape, message) => {
    expect(problems(shape).join('\n')).toMatch(message);
    expect(problems(shape)).toHaveLength(1);
  });

  test('is refused where an ELF file is expected, and when it is too large', () => {
    expect(problems({}, { format: 'elf' }).join()).toMatch(/is for mach-o, expected elf/);
    expect(problems({}, { maxBytes: 100 }).join()).toMatch(/expected at most 100/);
  });

  test('that is neither bundle nor library, or is truncated or altered, gives a BinaryError and nothing else', () => {
    expect(() => readMachO(machO({ type: 2 }))).toThrow(/expected a bundle or a dynamic library/);
    const whole = machO();
    readDamaged(whole, { read: readMachO, own: BinaryError, runs: 200 });
  });
});
