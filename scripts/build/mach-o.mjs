// A reader for the parts of a 64-bit little-endian Mach-O bundle or dynamic library that decide where it can be loaded.

import { BinaryError, inside, textOf } from './binary-file.mjs';

const CPUS = new Map([
  [0x01000007, 'x64'],
  [0x0100000c, 'arm64'],
]);
const MAGIC = 0xfeedfacf;
const FILE_TYPES = new Map([
  [6, 'library'],
  [8, 'bundle'],
]);
const LC = {
  SYMTAB: 0x2,
  LOAD_DYLIB: 0xc,
  SEGMENT_64: 0x19,
  CODE_SIGNATURE: 0x1d,
  VERSION_MIN_MACOSX: 0x24,
  BUILD_VERSION: 0x32,
  LOAD_WEAK_DYLIB: 0x80000018,
  RPATH: 0x8000001c,
  REEXPORT_DYLIB: 0x8000001f,
  DYLD_INFO_ONLY: 0x80000022,
  LOAD_UPWARD_DYLIB: 0x80000023,
  DYLD_EXPORTS_TRIE: 0x80000033,
};
const DYLIBS = [LC.LOAD_DYLIB, LC.LOAD_WEAK_DYLIB, LC.REEXPORT_DYLIB, LC.LOAD_UPWARD_DYLIB];
const N = { STAB: 0xe0, TYPE: 0x0e, EXTERNAL: 0x01, UNDEFINED: 0x00 };
const PLATFORM_MACOS = 1;

/**
 * @param {Buffer} file  the whole file
 * @returns {{ machine: string, type: string, needed: string[], runpath: string[], platform: 'macos' | string,
 *   minimum: string | undefined, segments: { name: string, address: number, offset: number, flags: string }[],
 *   signed: boolean, exported: string[], imported: string[] }}
 *   minimum: oldest macOS, e.g. '11.0'; exported: what dyld finds, imported: what it looks up, both without the leading
 *   underscore of C
 * @throws {BinaryError} where the file is no such Mach-O file or an offset in it points outside
 */
export function readMachO(file) {
  const u32 = (at) => file.readUInt32LE(inside(file, at, 4));
  const u64 = (at) => Number(file.readBigUInt64LE(inside(file, at, 8)));
  if (file.length < 32 || u32(0) !== MAGIC) throw new BinaryError('not a 64-bit little-endian Mach-O file');
  const type = FILE_TYPES.get(u32(12));
  if (type === undefined) throw new BinaryError(`file type ${u32(12)}, expected a bundle or a dynamic library`);

  const result = {
    machine: CPUS.get(u32(4)) ?? `cpu type ${u32(4)}`,
    type,
    needed: [],
    runpath: [],
    platform: 'unknown',
    minimum: undefined,
    segments: [],
    signed: false,
    exported: [],
    imported: [],
  };
  let at = 32;
  for (let i = 0; i < u32(16); i++) {
    const [command, size] = [u32(at), u32(at + 4)];
    if (size < 8) throw new BinaryError(`load command ${i} has a size of ${size} bytes`);
    inside(file, at, size);
    if (DYLIBS.includes(command)) result.needed.push(textOf(file, at + u32(at + 8), at + size));
    else if (command === LC.RPATH) result.runpath.push(textOf(file, at + u32(at + 8), at + size));
    else if (command === LC.CODE_SIGNATURE) result.signed = true;
    else if (command === LC.SEGMENT_64) {
      result.segments.push({
        name: textOf(file, at + 8, at + 24),
        address: u64(at + 24),
        offset: u64(at + 40),
        flags: flagText(u32(at + 60)),
      });
    } else if (command === LC.BUILD_VERSION) {
      result.platform = u32(at + 8) === PLATFORM_MACOS ? 'macos' : `platform ${u32(at + 8)}`;
      result.minimum = version(u32(at + 12));
    } else if (command === LC.VERSION_MIN_MACOSX) {
      [result.platform, result.minimum] = ['macos', version(u32(at + 8))];
    } else if (command === LC.SYMTAB) {
      result.imported = undefinedSymbols(file, u32(at + 8), u32(at + 12), u32(at + 16));
    } else if (command === LC.DYLD_INFO_ONLY) {
      result.exported.push(...exportsOf(file, u32(at + 40), u32(at + 44)));
    } else if (command === LC.DYLD_EXPORTS_TRIE) {
      result.exported.push(...exportsOf(file, u32(at + 8), u32(at + 12)));
    }
    at += size;
  }
  result.exported = result.exported.map(withoutUnderscore).sort();
  return result;
}

function undefinedSymbols(file, start, count, strings) {
  const names = [];
  for (let i = 0; i < count; i++) {
    const at = inside(file, start + i * 16, 16);
    const type = file[at + 4];
    if ((type & N.STAB) !== 0 || (type & N.EXTERNAL) === 0 || (type & N.TYPE) !== N.UNDEFINED) continue;
    names.push(withoutUnderscore(textOf(file, strings + file.readUInt32LE(at), file.length)));
  }
  return names.sort();
}

/** Names in an export trie: nodes of a prefix tree, each with the size of its terminal information, and its edges. */
function exportsOf(file, start, size) {
  if (size === 0) return [];
  inside(file, start, size);
  const end = start + size;
  const uleb = (at) => {
    let [value, scale] = [0, 1];
    for (; ; at++, scale *= 128) {
      if (at >= end || scale > 2 ** 49) throw new BinaryError('a number in the export trie does not end');
      value += (file[at] & 127) * scale;
      if (file[at] < 128) return [value, at + 1];
    }
  };
  const names = [];
  const seen = new Set();
  const waiting = [{ node: start, prefix: '' }];
  while (waiting.length > 0) {
    const { node, prefix } = waiting.pop();
    if (seen.has(node)) throw new BinaryError('the export trie has a node twice');
    seen.add(node);
    const [terminal, information] = uleb(node);
    if (terminal > 0) names.push(prefix);
    let at = information + terminal;
    const edges = file[inside(file, at++, 1)];
    for (let i = 0; i < edges; i++) {
      const part = textOf(file, at, end);
      const [child, after] = uleb(at + part.length + 1);
      if (child >= size) throw new BinaryError(`node ${child} lies outside the export trie of ${size} bytes`);
      waiting.push({ node: start + child, prefix: prefix + part });
      at = after;
    }
  }
  return names;
}

function version(packed) {
  return `${packed >>> 16}.${(packed >>> 8) & 255}`;
}

function withoutUnderscore(name) {
  return name.startsWith('_') ? name.slice(1) : name;
}

function flagText(flags) {
  return `${flags & 1 ? 'r' : '-'}${flags & 2 ? 'w' : '-'}${flags & 4 ? 'x' : '-'}`;
}
