// A reader for the parts of a 64-bit Windows library (PE32+) that decide where it can be loaded.

import { BinaryError, inside, textOf } from './binary-file.mjs';

const MACHINES = new Map([
  [0x8664, 'x64'],
  [0xaa64, 'arm64'],
]);
const IS_LIBRARY = 0x2000;
const DYNAMIC_BASE = 0x40;
const NX_COMPATIBLE = 0x100;
const DIRECTORY = { EXPORTS: 0, IMPORTS: 1, DELAYED_IMPORTS: 13 };
const SECTION = { CODE: 0x20, EXECUTE: 0x20000000, READ: 0x40000000, WRITE: 0x80000000 };
const SECTION_HEADER = 40;

/**
 * @param {Buffer} file  the whole file
 * @returns {{ machine: string, needed: string[], imported: string[], exported: string[],
 *   segments: { name: string, flags: string }[], code: { address: number, bytes: Buffer }[], movable: boolean,
 *   dataNotCode: boolean, minimumSystem: string }}
 *   needed: libraries, also those looked for at the first call; imported: functions by name; code: what runs, not copied;
 *   movable: the system may choose its address (ASLR); dataNotCode: it does without code in data (DEP); minimumSystem: of
 *   Windows, e.g. '6.0'
 * @throws {BinaryError} where the file is no such library or an offset in it points outside
 */
export function readPe(file) {
  const u16 = (at) => file.readUInt16LE(inside(file, at, 2));
  const u32 = (at) => file.readUInt32LE(inside(file, at, 4));
  if (file.length < 64 || u16(0) !== 0x5a4d) throw new BinaryError('not a Windows library: it does not begin with MZ');
  const coff = u32(60) + 4;
  if (u32(coff - 4) !== 0x4550) throw new BinaryError('not a Windows library: its header is not PE');
  if ((u16(coff + 18) & IS_LIBRARY) === 0) throw new BinaryError('a program, expected a library');
  const optional = coff + 20;
  if (u16(optional) !== 0x20b) throw new BinaryError('not a 64-bit Windows library');

  const sections = Array.from({ length: u16(coff + 2) }, (_, i) => {
    const at = inside(file, optional + u16(coff + 16) + i * SECTION_HEADER, SECTION_HEADER);
    const [flags, address, bytes, offset] = [u32(at + 36), u32(at + 12), u32(at + 16), u32(at + 20)];
    const isCode = (flags & SECTION.CODE) !== 0;
    return { name: textOf(file, at, at + 8), flags: flagText(flags), isCode, address, bytes, offset };
  });
  /** Where what is loaded at an address lies in the file. */
  const offsetOf = (address) => {
    const section = sections.find((each) => address >= each.address && address < each.address + each.bytes);
    if (section === undefined) throw new BinaryError(`address ${address} lies in no section: is the file truncated?`);
    return inside(file, section.offset + address - section.address, 1);
  };
  const nameAt = (address) => {
    const from = offsetOf(address);
    return textOf(file, from, Math.min(file.length, from + 4096));
  };
  const directory = (index) => (index < u32(optional + 108) ? u32(optional + 112 + index * 8) : 0);

  const imports = [
    ...tableOf(file, directory(DIRECTORY.IMPORTS), offsetOf, { size: 20, name: 12, lookup: 0, orElse: 16 }),
    ...tableOf(file, directory(DIRECTORY.DELAYED_IMPORTS), offsetOf, { size: 32, name: 4, lookup: 16, orElse: 16 }),
  ];
  return {
    machine: MACHINES.get(u16(coff)) ?? `machine ${u16(coff)}`,
    needed: imports.map(({ name }) => nameAt(name)),
    imported: imports.flatMap(({ lookup }) => functionsOf(file, lookup, offsetOf, nameAt)).sort(),
    exported: exportsOf(file, directory(DIRECTORY.EXPORTS), offsetOf, nameAt).sort(),
    segments: sections.map(({ name, flags }) => ({ name, flags })),
    code: sections
      .filter(({ isCode }) => isCode)
      .map(({ address, bytes, offset }) => {
        inside(file, offset, bytes);
        return { address, bytes: file.subarray(offset, offset + bytes) };
      }),
    movable: (u16(optional + 70) & DYNAMIC_BASE) !== 0,
    dataNotCode: (u16(optional + 70) & NX_COMPATIBLE) !== 0,
    minimumSystem: `${u16(optional + 48)}.${u16(optional + 50)}`,
  };
}

/** The entries of a table of libraries, which ends with one that names none. */
function tableOf(file, address, offsetOf, { size, name, lookup, orElse }) {
  const entries = [];
  if (address === 0) return entries;
  for (let at = offsetOf(address); ; at += size) {
    inside(file, at, size);
    if (file.readUInt32LE(at + name) === 0) return entries;
    entries.push({
      name: file.readUInt32LE(at + name),
      lookup: file.readUInt32LE(at + lookup) || file.readUInt32LE(at + orElse),
    });
  }
}

/** The functions that a library is asked for by name; those by number have none. */
function functionsOf(file, address, offsetOf, nameAt) {
  const names = [];
  for (let at = offsetOf(address); ; at += 8) {
    const entry = file.readBigUInt64LE(inside(file, at, 8));
    if (entry === 0n) return names;
    // Two bytes of a hint come before the name.
    if (entry >> 63n === 0n) names.push(nameAt(Number(entry & 0x7fffffffn) + 2));
  }
}

function exportsOf(file, address, offsetOf, nameAt) {
  if (address === 0) return [];
  const at = inside(file, offsetOf(address), 40);
  const count = file.readUInt32LE(at + 24);
  if (count === 0) return [];
  const names = inside(file, offsetOf(file.readUInt32LE(at + 32)), count * 4);
  return Array.from({ length: count }, (_, i) => nameAt(file.readUInt32LE(names + i * 4)));
}

function flagText(flags) {
  return `${flags & SECTION.READ ? 'r' : '-'}${flags & SECTION.WRITE ? 'w' : '-'}${flags & SECTION.EXECUTE ? 'x' : '-'}`;
}
