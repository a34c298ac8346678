import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';

/** The C library a Linux program is built against; Android's is `bionic`. */
export type Libc = 'glibc' | 'musl' | 'bionic';

/** What the first bytes of a binary and the names in it say. */
export interface BinaryFile {
  readonly format: 'elf' | 'mach-o' | 'pe' | 'unknown';
  /** As `process.arch` has it, several for a universal binary, `machine 8` for what has no such name. */
  readonly architectures: readonly string[];
  /** Undefined for other formats than ELF, and where it names none. */
  readonly libc: Libc | undefined;
  /** The newest glibc whose symbols it asks for, for example `2.28`. */
  readonly glibc: string | undefined;
  /** The file ends before its own headers say it does. */
  readonly truncated: boolean;
  readonly bytes: number;
}

/** e_machine of the ELF specification. */
const ELF_MACHINES: ReadonlyMap<number, string> = new Map([
  [3, 'ia32'],
  [22, 's390x'],
  [21, 'ppc64'],
  [40, 'arm'],
  [62, 'x64'],
  [183, 'arm64'],
  [243, 'riscv64'],
  [258, 'loong64'],
]);

/** Machine of Microsoft's PE format. */
const PE_MACHINES: ReadonlyMap<number, string> = new Map([
  [0x014c, 'ia32'],
  [0x8664, 'x64'],
  [0xaa64, 'arm64'],
]);

/** cputype of Apple's mach/machine.h. */
const MACH_CPUS: ReadonlyMap<number, string> = new Map([
  [0x01000007, 'x64'],
  [0x0100000c, 'arm64'],
]);

const ELF_HEADER = 64;
/** Where an executable names its loader, and an addon's program headers end. */
const START = 4096;

/**
 * Reads the header of an addon that would not load. Any bytes are taken; what they do not say is undefined or empty.
 *
 * @throws {Error} the file system's error where `file` can't be read
 */
export function readBinaryFile(file: string): BinaryFile {
  const bytes = readFileSync(file);
  const magic = bytes.length < 4 ? 0 : bytes.readUInt32BE(0);
  if (magic === 0x7f454c46) return elfFile(bytes);
  const found = { libc: undefined, glibc: undefined, truncated: false, bytes: bytes.length };
  if (magic === 0xcffaedfe && bytes.length >= 8) {
    return { ...found, format: 'mach-o', architectures: [machCpu(bytes.readUInt32LE(4))] };
  }
  if (magic === 0xcafebabe && bytes.length >= 8) {
    // Big-endian whatever the CPU: a count, then 20 bytes for each architecture.
    const count = Math.min(bytes.readUInt32BE(4), 8);
    const architectures: string[] = [];
    for (let i = 0; i < count && 8 + 20 * i + 4 <= bytes.length; i++) {
      architectures.push(machCpu(bytes.readUInt32BE(8 + 20 * i)));
    }
    return { ...found, format: 'mach-o', architectures };
  }
  if (magic >>> 16 === 0x4d5a) return { ...found, format: 'pe', architectures: peMachine(bytes) };
  return { ...found, format: 'unknown', architectures: [] };
}

/**
 * The C library of the running Node, from the loader its executable names; undefined where that can't be told, and on
 * systems that are not Linux.
 */
export function libcOfNode(executable: string = process.execPath): Libc | undefined {
  if (process.platform === 'android') return 'bionic';
  if (process.platform !== 'linux') return undefined;
  try {
    const text = startOf(executable).bytes.toString('latin1');
    if (/\/ld-musl-/.test(text)) return 'musl';
    if (/\/ld-linux|\/ld64\.so/.test(text)) return 'glibc';
    return /\/linker64/.test(text) ? 'bionic' : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether an ELF file ends before its own headers say it does; false for other formats, which their loaders check.
 *
 * @throws {Error} the file system's error where `file` can't be read
 */
export function isCutShort(file: string): boolean {
  const { bytes, size } = startOf(file);
  return bytes.length >= 4 && bytes.readUInt32BE(0) === 0x7f454c46 && endOf(bytes) > size;
}

function startOf(file: string): { bytes: Buffer; size: number } {
  const descriptor = openSync(file, 'r');
  try {
    const start = Buffer.alloc(START);
    const length = readSync(descriptor, start, 0, START, 0);
    return { bytes: start.subarray(0, length), size: fstatSync(descriptor).size };
  } finally {
    closeSync(descriptor);
  }
}

/** `a` older than `b`, as versions of numbers between dots. */
export function isOlder(a: string, b: string): boolean {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(left!.length, right!.length); i++) {
    const difference = (left![i] ?? 0) - (right![i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Empty where the file ends before it says. */
function peMachine(bytes: Buffer): string[] {
  const at = bytes.length < 64 ? bytes.length : bytes.readUInt32LE(60) + 4;
  if (at + 2 > bytes.length) return [];
  const machine = bytes.readUInt16LE(at);
  return [PE_MACHINES.get(machine) ?? `machine ${machine}`];
}

function machCpu(type: number): string {
  return MACH_CPUS.get(type) ?? `cpu type ${type}`;
}

function elfFile(bytes: Buffer): BinaryFile {
  const u16 = (at: number): number => (bytes[5] === 1 ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const machine = bytes.length < 20 ? -1 : u16(18);
  const text = bytes.toString('latin1');
  const glibc = [...text.matchAll(/\0GLIBC_(\d+(?:\.\d+)+)(?=\0)/g)].map(([, version]) => version!);
  return {
    format: 'elf',
    architectures: [ELF_MACHINES.get(machine) ?? `machine ${machine}`],
    libc: libcNamed(text),
    glibc: glibc.reduce<string | undefined>((a, b) => (a === undefined || isOlder(a, b) ? b : a), undefined),
    truncated: endOf(bytes) > bytes.length,
    bytes: bytes.length,
  };
}

/** By the names of needed libraries, which stand among the file's strings. */
function libcNamed(text: string): Libc | undefined {
  if (text.includes('\0libc.so.6\0')) return 'glibc';
  if (text.includes('\0libc.musl-')) return 'musl';
  if (!text.includes('\0libc.so\0')) return undefined;
  return /\0(liblog|libandroid)\.so\0|\0LIBC\0/.test(text) ? 'bionic' : 'musl';
}

/**
 * Where the tables and segments end that the start of an ELF file tells of; Infinity where not even the header is
 * whole, 0 for 32-bit and big-endian files, whose headers differ and which are refused anyway.
 */
function endOf(start: Buffer): number {
  if (start.length < ELF_HEADER) return Number.POSITIVE_INFINITY;
  if (start[4] !== 2 || start[5] !== 1) return 0;
  const at = (offset: number): number => Number(start.readBigUInt64LE(offset));
  const [programs, sections] = [at(32), at(40)];
  const [programSize, programCount] = [start.readUInt16LE(54), start.readUInt16LE(56)];
  let end = Math.max(programs + programSize * programCount, sections + start.readUInt16LE(58) * start.readUInt16LE(60));
  for (let i = 0; i < programCount; i++) {
    const header = programs + i * programSize;
    if (header + 40 > start.length) break;
    end = Math.max(end, at(header + 8) + at(header + 32));
  }
  return end;
}
