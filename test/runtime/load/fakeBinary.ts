/** As little of an addon as its reader looks at: headers after the ELF and Mach-O specifications, and some names. */

export const ELF_MACHINE = { x64: 62, arm64: 183, arm: 40 } as const;

/**
 * A 64-bit little-endian ELF file with one segment over its whole length.
 *
 * @param names needed libraries and symbol versions, as they stand in a string table
 */
export function elfBinary(arch: keyof typeof ELF_MACHINE, names: readonly string[] = ['libc.so.6']): Buffer {
  const strings = Buffer.from(`\0${names.join('\0')}\0`, 'latin1');
  const file = Buffer.alloc(64 + 56 + strings.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(3, 16); // shared object
  file.writeUInt16LE(ELF_MACHINE[arch], 18);
  file.writeBigUInt64LE(64n, 32); // program headers
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64); // PT_LOAD from the file's start to its end
  file.writeBigUInt64LE(BigInt(file.length), 64 + 32);
  strings.copy(file, 64 + 56);
  return file;
}

/** A Windows library's first headers. */
export function peBinary(machine: number): Buffer {
  const file = Buffer.alloc(72);
  file.write('MZ');
  file.writeUInt32LE(64, 60);
  file.write('PE\0\0', 64, 'latin1');
  file.writeUInt16LE(machine, 68);
  return file;
}

/** A Mach-O file of these CPU types, universal if there are several. */
export function machBinary(...cpus: readonly number[]): Buffer {
  if (cpus.length === 1) {
    const file = Buffer.alloc(32);
    file.writeUInt32LE(0xfeedfacf, 0);
    file.writeUInt32LE(cpus[0]!, 4);
    return file;
  }
  const file = Buffer.alloc(8 + 20 * cpus.length);
  file.writeUInt32BE(0xcafebabe, 0);
  file.writeUInt32BE(cpus.length, 4);
  cpus.forEach((cpu, i) => file.writeUInt32BE(cpu, 8 + 20 * i));
  return file;
}
