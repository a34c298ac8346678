// Strips a linked 64-bit little-endian ELF file for any CPU, so that no strip program of the target is needed: keeps
// what is loaded, byte for byte, and the section headers that describe it, which Android's loader and debuggers want.

const HEADER = 64;
const SECTION = 64;
const SHF_ALLOC = 2n;
const SHT_STRTAB = 3;
const NAMES = '.shstrtab';

/**
 * @param {Buffer} file  a shared object whose loaded sections come before all others, as linkers lay them out
 * @returns {Buffer} without symbol table and debug information
 */
export function stripElf(file) {
  if (file.length < HEADER || file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1)
    throw new Error('not a 64-bit little-endian ELF file');
  const start = Number(file.readBigUInt64LE(40));
  const headers = Array.from({ length: file.readUInt16LE(60) }, (_, i) =>
    file.subarray(start + i * SECTION, start + (i + 1) * SECTION),
  );
  const isLoaded = (header) => (header.readBigUInt64LE(8) & SHF_ALLOC) !== 0n;
  const loaded = headers.findLastIndex(isLoaded) + 1;
  if (loaded === 0 || !headers.slice(1, loaded).every(isLoaded))
    throw new Error('a section that is not loaded lies between loaded ones');

  let end = HEADER;
  const [programs, programSize, programCount] = [
    Number(file.readBigUInt64LE(32)),
    file.readUInt16LE(54),
    file.readUInt16LE(56),
  ];
  for (let i = 0; i < programCount; i++) {
    const at = programs + i * programSize;
    end = Math.max(end, Number(file.readBigUInt64LE(at + 8) + file.readBigUInt64LE(at + 32)));
  }

  const oldNames = Number(headers[file.readUInt16LE(62)].readBigUInt64LE(24));
  const kept = headers.slice(0, loaded).map((header) => Buffer.from(header));
  const names = [Buffer.from('\0')];
  let length = 1;
  const addName = (header, name) => {
    header.writeUInt32LE(length, 0);
    names.push(name);
    length += name.length;
  };
  for (const header of kept.slice(1)) {
    const from = oldNames + header.readUInt32LE(0);
    addName(header, file.subarray(from, file.indexOf(0, from) + 1));
  }
  const last = Buffer.alloc(SECTION);
  addName(last, Buffer.from(`${NAMES}\0`));
  last.writeUInt32LE(SHT_STRTAB, 4);
  last.writeBigUInt64LE(BigInt(end), 24);
  last.writeBigUInt64LE(BigInt(length), 32);
  last.writeBigUInt64LE(1n, 48);

  const padding = Buffer.alloc((8 - ((end + length) % 8)) % 8);
  const stripped = Buffer.concat([file.subarray(0, end), ...names, padding, ...kept, last]);
  stripped.writeBigUInt64LE(BigInt(end + length + padding.length), 40);
  stripped.writeUInt16LE(kept.length + 1, 60);
  stripped.writeUInt16LE(kept.length, 62);
  return stripped;
}
