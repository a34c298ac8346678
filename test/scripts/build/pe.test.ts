import { describe, expect, test } from 'vitest';
// @ts-expect-error a script without types
import { BinaryError } from '../../../scripts/build/binary-file.mjs';
// @ts-expect-error a script without types
import { describeBinary, problemsOf } from '../../../scripts/build/check-binary.mjs';
// @ts-expect-error a script without types
import { nodeApiImports } from '../../../scripts/build/cross/windows/node-api-imports.mjs';
// @ts-expect-error a script without types
import { readPe } from '../../../scripts/build/pe.mjs';
import { readDamaged } from './damagedBinary.js';

// Libraries made by hand from the numbers in Microsoft's "PE Format": headers and one section with the tables.

interface Shape {
  machine?: number;
  isProgram?: boolean;
  characteristics?: number;
  needed?: string[];
  delayed?: string[];
  exported?: string[];
  flags?: number;
  /** Instructions, in a section of their own. */
  code?: number[];
  trailer?: string;
}

const ENTRY = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
const good = { format: 'pe', arch: 'x64', maxBytes: 100_000 };
const [HEADERS, ADDRESS, CODE] = [0x200, 0x1000, 0x9000];

function pe(shape: Shape = {}): Buffer {
  const parts: Buffer[] = [];
  let length = 0;
  /** Appends to the section; gives the address there. */
  const put = (bytes: Buffer): number => {
    const padded = Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]);
    parts.push(padded);
    length += padded.length;
    return ADDRESS + length - padded.length;
  };
  const text = (value: string): number => put(Buffer.from(`${value}\0`));
  const functions = (): number => {
    const name = put(Buffer.concat([Buffer.alloc(2), Buffer.from('Sleep\0')]));
    return put(u64(BigInt(name), (1n << 63n) | 7n, 0n));
  };
  const imports = (shape.needed ?? ['KERNEL32.dll', 'api-ms-win-crt-heap-l1-1-0.dll']).map((name) =>
    u32(functions(), 0, 0, text(name), 0),
  );
  const importTable = put(Buffer.concat([...imports, Buffer.alloc(20)]));
  const delayed = (shape.delayed ?? []).map((name) => u32(1, text(name), 0, 0, functions(), 0, 0, 0));
  const delayTable = delayed.length === 0 ? 0 : put(Buffer.concat([...delayed, Buffer.alloc(32)]));
  const exported = shape.exported ?? ENTRY;
  const names = put(u32(...exported.map(text), 0));
  const exportTable = put(u32(0, 0, 0, text('neonsense.node'), 1, exported.length, exported.length, 0, names, 0));

  const headers = Buffer.alloc(HEADERS);
  headers.write('MZ');
  headers.writeUInt32LE(64, 60);
  headers.write('PE\0\0', 64, 'latin1');
  headers.writeUInt16LE(shape.machine ?? 0x8664, 68);
  const code = u32(...(shape.code ?? []));
  headers.writeUInt16LE(shape.code === undefined ? 1 : 2, 70); // sections
  headers.writeUInt16LE(112 + 16 * 8, 84); // bytes of the optional header
  headers.writeUInt16LE(shape.isProgram ? 0x22 : 0x2022, 86);
  const optional = 88;
  headers.writeUInt16LE(0x20b, optional);
  headers.writeUInt16LE(6, optional + 48);
  headers.writeUInt16LE(shape.characteristics ?? 0x160, optional + 70);
  headers.writeUInt32LE(16, optional + 108); // directories
  headers.writeUInt32LE(exportTable, optional + 112);
  headers.writeUInt32LE(importTable, optional + 112 + 8);
  headers.writeUInt32LE(delayTable, optional + 112 + 13 * 8);
  const section = optional + 112 + 16 * 8;
  headers.write('.rdata', section);
  u32(length, ADDRESS, length, HEADERS).copy(headers, section + 8);
  headers.writeUInt32LE(shape.flags ?? 0x40000040, section + 36);
  headers.write('.text', section + 40);
  u32(code.length, CODE, code.length, HEADERS + length).copy(headers, section + 48);
  headers.writeUInt32LE(0x60000020, section + 76);
  return Buffer.concat([headers, ...parts, code, Buffer.from(shape.trailer ?? '')]);
}

function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32LE(value, i * 4));
  return bytes;
}

function u64(...values: bigint[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, i) => bytes.writeBigUInt64LE(value, i * 8));
  return bytes;
}

const problems = (shape: Shape, expected: object = good): string[] => problemsOf(describeBinary(pe(shape)), expected);

describe('a Windows library', () => {
  test('is accepted when it asks for nothing but Windows', () => {
    expect(problems({})).toEqual([]);
    expect(problems({ machine: 0xaa64 }, { ...good, arch: 'arm64' })).toEqual([]);
    expect(readPe(pe({ code: [1, 2] })).code).toEqual([{ address: CODE, bytes: u32(1, 2) }]);
    expect(readPe(pe({ needed: ['KERNEL32.dll'], delayed: ['bcrypt.dll'] }))).toEqual({
      machine: 'x64',
      needed: ['KERNEL32.dll', 'bcrypt.dll'],
      imported: ['Sleep', 'Sleep'],
      exported: ENTRY,
      segments: [{ name: '.rdata', flags: 'r--' }],
      code: [],
      movable: true,
      dataNotCode: true,
      minimumSystem: '6.0',
    });
  });

  test.each<[string, Shape, RegExp]>([
    ['another CPU', { machine: 0xaa64 }, /is for arm64, expected x64/],
    ['a library of the compiler', { needed: ['libwinpthread-1.dll'] }, /needs libwinpthread-1\.dll/],
    ['the name of a program', { needed: ['KERNEL32.dll', 'node.exe'] }, /needs node\.exe/],
    ['the name of a program that is looked for later', { delayed: ['node.exe'] }, /needs node\.exe/],
    ['another exported symbol', { exported: [...ENTRY, 'napi_other'] }, /exports 1 symbols besides.*napi_other/],
    ['a missing entry', { exported: [] }, /does not export napi_register_module_v1/],
    ['writable code', { flags: 0xe0000020 }, /writable and executable/],
    ['one address only', { characteristics: 0x100 }, /no ASLR/],
    ['code in data', { characteristics: 0x40 }, /no DEP/],
    ['memory of its own handed out as a buffer', { trailer: 'napi_create_external_buffer\0' }, /Electron forbids/],
    ['a path of the build machine', { trailer: '\0/home/someone/graph.cc\0' }, /\/home\/someone\/graph\.cc/],
  ])('is refused with %s', (_name, shape, message) => {
    expect(problems(shape).join('\n')).toMatch(message);
    expect(problems(shape)).toHaveLength(1);
  });

  // LDADD, of armv8.1-a, and a dot product, which kernels chosen at run time may use.
  const [LDADD, SDOT] = [0xb8200020, 0x0e829420];

  test('for arm64 is refused with instructions that armv8-a lacks and no kernel is chosen for', () => {
    const arm64 = { ...good, arch: 'arm64', baseline: 'armv8-a' };
    expect(problems({ machine: 0xaa64, code: [0, SDOT] }, arm64)).toEqual([]);
    expect(problems({ machine: 0xaa64, code: [0, LDADD] }, arm64)).toEqual([
      'uses LSE, which armv8-a lacks, in code that runs on every CPU: 0x9004',
    ]);
  });

  test('that is a program, or is truncated or altered, gives a BinaryError and nothing else', () => {
    expect(() => readPe(pe({ isProgram: true }))).toThrow(/a program, expected a library/);
    const whole = pe({ delayed: ['bcrypt.dll'], code: [0] });
    readDamaged(whole, { read: readPe, own: BinaryError, runs: 300 });
  });
});

test('the pointers to Node-API are those of version 8 without what Electron forbids', () => {
  const assembly: string = nodeApiImports(process.cwd());
  expect(assembly).toContain('__imp_napi_create_function: .quad 0');
  expect(assembly).toContain('__imp_napi_type_tag_object: .quad 0');
  expect(assembly).not.toContain('node_api_symbol_for');
  expect(assembly).not.toContain('napi_create_external_arraybuffer');
  expect(assembly).not.toContain('napi_create_external_buffer');
});
