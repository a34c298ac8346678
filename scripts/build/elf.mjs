// A reader for the parts of a 64-bit little-endian ELF shared object that decide where it can be loaded. It follows the
// dynamic segment, as the loader does, and not the section headers, which a stripped file need not have.

import { BinaryError, inside } from './binary-file.mjs';

const MACHINES = new Map([
  [62, 'x64'],
  [183, 'arm64'],
]);
const PT = { LOAD: 1, DYNAMIC: 2, GNU_STACK: 0x6474e551, GNU_RELRO: 0x6474e552 };
const SHT_SYMTAB = 2;
const SHF_EXECUTABLE = 4;
const STT = { NOTYPE: 0, FUNCTION: 2 };
const DF_STATIC_TLS = 16;
const DF_1_NODELETE = 8;
const DT = {
  NEEDED: 1,
  HASH: 4,
  STRTAB: 5,
  SYMTAB: 6,
  STRSZ: 10,
  SONAME: 14,
  RPATH: 15,
  TEXTREL: 22,
  RUNPATH: 29,
  FLAGS: 30,
  RELR: 36,
  GNU_HASH: 0x6ffffef5,
  FLAGS_1: 0x6ffffffb,
  VERNEED: 0x6ffffffe,
  VERNEEDNUM: 0x6fffffff,
};

/**
 * @param {Buffer} file  the whole file
 * @returns {{ machine: string, needed: string[], soname: string | undefined, runpath: string[], versions: Map<string,
 * string[]>,
 *   segments: { align: number, congruent: boolean, flags: string }[], executableStack: boolean, relro: boolean,
 *   textRelocations: boolean, packedRelocations: boolean, staticTls: boolean, staysLoaded: boolean, exported: string[],
 *   imported: string[] }}
 *   versions: library name -> symbol versions asked of it, e.g. 'libc.so.6' -> ['GLIBC_2.17']
 *   congruent: address and file offset differ by a multiple of the alignment, without which it can't be mapped
 * @throws {BinaryError} where the file is no such ELF file or an offset in it points outside
 */
export function readElf(file) {
  const u16 = (at) => file.readUInt16LE(inside(file, at, 2));
  const u32 = (at) => file.readUInt32LE(inside(file, at, 4));
  const u64 = (at) => {
    const value = file.readBigUInt64LE(inside(file, at, 8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
    return Number(value);
  };

  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46)
    throw new BinaryError('not an ELF file (magic bytes differ)');
  if (file[4] !== 2 || file[5] !== 1) throw new BinaryError('not a 64-bit little-endian ELF file');
  const machine = MACHINES.get(u16(18)) ?? `machine ${u16(18)}`;

  const headers = [];
  const [start, size, count] = [u64(32), u16(54), u16(56)];
  for (let i = 0; i < count; i++) {
    const at = start + i * size;
    headers.push({
      type: u32(at),
      flags: u32(at + 4),
      offset: u64(at + 8),
      address: u64(at + 16),
      fileSize: u64(at + 32),
      align: u64(at + 48),
    });
  }
  const loads = headers.filter((header) => header.type === PT.LOAD);
  const offsetOf = (address) => {
    const load = loads.find((each) => address >= each.address && address < each.address + each.fileSize);
    if (load === undefined) throw new BinaryError(`address 0x${address.toString(16)} lies in no loaded segment`);
    return load.offset + address - load.address;
  };

  const dynamic = headers.find((header) => header.type === PT.DYNAMIC);
  if (dynamic === undefined) throw new BinaryError('no dynamic segment: this is not a shared object');
  const tags = [];
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.fileSize; at += 16) {
    if (u64(at) === 0) break;
    tags.push([u64(at), u64(at + 8)]);
  }
  const tag = (wanted) => tags.find(([name]) => name === wanted)?.[1];
  const strings = {
    start: offsetOf(need(tag(DT.STRTAB), 'string table')),
    size: need(tag(DT.STRSZ), 'string table size'),
  };
  const text = (index) => {
    const from = inside(file, strings.start + index, 1);
    const end = file.indexOf(0, from);
    if (index >= strings.size || end < 0) throw new BinaryError(`string ${index} lies outside the string table`);
    return file.toString('latin1', from, end);
  };
  const texts = (wanted) => tags.filter(([name]) => name === wanted).map(([, index]) => text(index));

  const versions = new Map();
  if (tag(DT.VERNEED) !== undefined) {
    let at = offsetOf(tag(DT.VERNEED));
    for (let i = 0; i < need(tag(DT.VERNEEDNUM), 'number of needed versions'); i++) {
      const names = [];
      let entry = at + u32(at + 8);
      for (let j = 0; j < u16(at + 2); j++) {
        names.push(text(u32(entry + 8)));
        if (u32(entry + 12) === 0) break;
        entry += u32(entry + 12);
      }
      versions.set(text(u32(at + 4)), names);
      if (u32(at + 12) === 0) break;
      at += u32(at + 12);
    }
  }

  const symbols = offsetOf(need(tag(DT.SYMTAB), 'symbol table'));
  const exported = [];
  const imported = [];
  for (let i = 1; i < symbolCount(tag, offsetOf, u32); i++) {
    const at = symbols + i * 24;
    const binding = file[inside(file, at + 4, 1)] >> 4;
    const name = text(u32(at));
    if (binding === 0 || name === '') continue;
    (u16(at + 6) === 0 ? imported : exported).push(name);
  }

  const stack = headers.find((header) => header.type === PT.GNU_STACK);
  return {
    machine,
    needed: texts(DT.NEEDED),
    soname: texts(DT.SONAME)[0],
    runpath: [...texts(DT.RPATH), ...texts(DT.RUNPATH)],
    versions,
    segments: loads.map((load) => ({
      align: load.align,
      congruent: load.align <= 1 || (load.address - load.offset) % load.align === 0,
      flags: flagText(load.flags),
    })),
    executableStack: stack === undefined || (stack.flags & 1) !== 0,
    relro: headers.some((header) => header.type === PT.GNU_RELRO),
    textRelocations: tag(DT.TEXTREL) !== undefined,
    packedRelocations: tag(DT.RELR) !== undefined,
    staticTls: Math.floor((tag(DT.FLAGS) ?? 0) / DF_STATIC_TLS) % 2 === 1,
    staysLoaded: Math.floor((tag(DT.FLAGS_1) ?? 0) / DF_1_NODELETE) % 2 === 1,
    exported: exported.sort(),
    imported: imported.sort(),
  };
}

/**
 * The executable code of an ELF file that was not stripped, and which function each part of it is.
 * @param {Buffer} file  the whole file
 * @returns {{ code: { address: number, offset: number, bytes: Buffer }[],
 *   functions: { name: string, address: number }[] }}
 *   code: without the data that lies between functions; functions: sorted by address
 * @throws {BinaryError} also where it has no symbol table
 */
export function readElfCode(file) {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46)
    throw new BinaryError('not an ELF file (magic bytes differ)');
  const u32 = (at) => file.readUInt32LE(inside(file, at, 4));
  const u64 = (at) => Number(file.readBigUInt64LE(inside(file, at, 8)));
  const [start, size, count] = [u64(40), file.readUInt16LE(58), file.readUInt16LE(60)];
  const sections = Array.from({ length: count }, (_, i) => {
    const at = start + i * size;
    const [offset, bytes] = [u64(at + 24), u64(at + 32)];
    return { type: u32(at + 4), flags: u64(at + 8), address: u64(at + 16), offset, bytes, link: u32(at + 40) };
  });
  const table = sections.find((section) => section.type === SHT_SYMTAB);
  const names = sections[table?.link ?? 0];
  if (table === undefined || names === undefined) throw new BinaryError('has no symbol table: it was stripped');
  inside(file, names.offset, names.bytes);

  const functions = [];
  const marks = [];
  for (let at = table.offset; at < table.offset + table.bytes; at += 24) {
    const type = file[inside(file, at, 24) + 4] & 15;
    const section = sections[file.readUInt16LE(at + 6)];
    if (section === undefined || section.flags % (2 * SHF_EXECUTABLE) < SHF_EXECUTABLE) continue;
    const from = inside(file, names.offset + u32(at), 1);
    const name = file.toString('latin1', from, Math.max(from, file.indexOf(0, from)));
    // Mapping symbols (ELF for the Arm 64-bit Architecture, 5.5.4): here instructions begin, here data.
    if (/^\$[xd](?:\.|$)/.test(name)) marks.push({ address: u64(at + 8), isCode: name[1] === 'x' });
    else if (type === STT.FUNCTION || (type === STT.NOTYPE && name !== ''))
      functions.push({ name, address: u64(at + 8) });
  }
  const byAddress = (a, b) => a.address - b.address;
  return {
    code: sections
      .filter((section) => section.flags % (2 * SHF_EXECUTABLE) >= SHF_EXECUTABLE)
      .flatMap((section) => instructionsOf(file, section, marks.sort(byAddress))),
    functions: functions.sort(byAddress),
  };
}

function instructionsOf(file, { address, offset, bytes }, marks) {
  inside(file, offset, bytes);
  const parts = [];
  let [from, isCode] = [address, true];
  const end = address + bytes;
  for (const mark of [...marks.filter((each) => each.address >= address && each.address < end), { address: end }]) {
    if (isCode && mark.address > from) {
      const at = offset + from - address;
      parts.push({ address: from, offset: at, bytes: file.subarray(at, offset + mark.address - address) });
    }
    [from, isCode] = [mark.address, mark.isCode];
  }
  return parts;
}

/** The dynamic segment does not say how many symbols there are; the hash tables do. */
function symbolCount(tag, offsetOf, u32) {
  if (tag(DT.HASH) !== undefined) return u32(offsetOf(tag(DT.HASH)) + 4);
  const table = offsetOf(need(tag(DT.GNU_HASH), 'symbol hash table'));
  const [buckets, firstHashed, bloomWords] = [u32(table), u32(table + 4), u32(table + 8)];
  const bucketsAt = table + 16 + bloomWords * 8;
  const chainsAt = bucketsAt + buckets * 4;
  let last = 0;
  for (let i = 0; i < buckets; i++) last = Math.max(last, u32(bucketsAt + i * 4));
  if (last < firstHashed) return firstHashed;
  while ((u32(chainsAt + (last - firstHashed) * 4) & 1) === 0) last++;
  return last + 1;
}

function need(value, what) {
  if (value === undefined) throw new BinaryError(`no ${what} in the dynamic segment`);
  return value;
}

function flagText(flags) {
  return `${flags & 4 ? 'r' : '-'}${flags & 2 ? 'w' : '-'}${flags & 1 ? 'x' : '-'}`;
}
