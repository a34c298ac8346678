import { NeonsenseError, quoted } from '../../../errors.js';
import { inflate } from '../../../files/inflate.js';
import type { Budget } from '../../../files/limits.js';

/** One file of the archive. */
export interface ZipEntry {
  readonly name: string;
  /** Bytes it unpacks to. */
  readonly size: number;
  /** Unpacks the file and checks it against its CRC-32, if it has one; a stored file is a view into the archive. */
  readonly read: () => Uint8Array;
}

const END_SIGNATURE = 0x06054b50;
const END_BYTES = 22;
const LONGEST_COMMENT = 0xffff;
const CENTRAL_SIGNATURE = 0x02014b50;
const CENTRAL_BYTES = 46;
const LOCAL_SIGNATURE = 0x04034b50;
const LOCAL_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED = 1;

/**
 * The files of a zip archive by name, from its central directory. Everything is checked to lie within the archive
 * before it is read.
 *
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` for a damaged archive, `ERR_UNSUPPORTED` for zip64, several disks,
 * encryption, and methods other than stored and deflated. `ZipEntry.read` throws the first when the content is damaged or
 * unpacks to more than `budget` allows.
 */
export function readZip(archive: Uint8Array, budget: Budget): Map<string, ZipEntry> {
  const view = new DataView(archive.buffer, archive.byteOffset, archive.byteLength);
  const end = findEnd(view);
  const text = new TextDecoder();
  const disk = view.getUint16(end + 4, true);
  const count = view.getUint16(end + 10, true);
  const size = view.getUint32(end + 12, true);
  const start = view.getUint32(end + 16, true);
  if (count === 0xffff || size === 0xffffffff || start === 0xffffffff) throw unsupported('zip64');
  if (disk !== 0 || view.getUint16(end + 6, true) !== 0) throw unsupported('several disks');
  if (start + size > end) throw damaged('its central directory lies outside the file; it is probably cut short');

  const records = new Map<string, CentralRecord>();
  let offset = start;
  for (let index = 0; index < count; index++) {
    if (offset + CENTRAL_BYTES > start + size || view.getUint32(offset, true) !== CENTRAL_SIGNATURE) {
      throw damaged(`entry ${index} of its central directory is broken`);
    }
    const nameLength = view.getUint16(offset + 28, true);
    const next =
      offset + CENTRAL_BYTES + nameLength + view.getUint16(offset + 30, true) + view.getUint16(offset + 32, true);
    if (next > start + size) throw damaged(`entry ${index} of its central directory is broken`);
    const nameBytes = archive.subarray(offset + CENTRAL_BYTES, offset + CENTRAL_BYTES + nameLength);
    const name = text.decode(nameBytes);
    if (records.has(name)) throw damaged(`it holds ${quoted(name)} twice`);
    budget.spend('objects');
    records.set(name, {
      name,
      flags: view.getUint16(offset + 8, true),
      method: view.getUint16(offset + 10, true),
      crc: view.getUint32(offset + 16, true),
      packed: view.getUint32(offset + 20, true),
      unpacked: view.getUint32(offset + 24, true),
      local: view.getUint32(offset + 42, true),
    });
    offset = next;
  }
  // torch.serialization.set_crc32_options(False) writes zeros instead.
  const hasChecksums = [...records.values()].some(({ crc }) => crc !== 0);
  const open = (record: CentralRecord): ZipEntry => {
    const { name, unpacked: size } = record;
    return { name, size, read: () => unpack(archive, view, record, { end: start, hasChecksums, budget }) };
  };
  return new Map([...records].map(([name, record]) => [name, open(record)]));
}

interface CentralRecord {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly unpacked: number;
  /** Where its local header begins. */
  readonly local: number;
}

/** The end record is the last thing in the file but for a comment, whose length it states. */
function findEnd(view: DataView): number {
  const lowest = Math.max(0, view.byteLength - END_BYTES - LONGEST_COMMENT);
  for (let offset = view.byteLength - END_BYTES; offset >= lowest; offset--) {
    if (view.getUint32(offset, true) !== END_SIGNATURE) continue;
    if (offset + END_BYTES + view.getUint16(offset + 20, true) === view.byteLength) return offset;
  }
  throw damaged('it has no end-of-directory record; it is probably cut short');
}

interface Unpacking {
  /** Where the entries end. */
  readonly end: number;
  readonly hasChecksums: boolean;
  readonly budget: Budget;
}

function unpack(
  archive: Uint8Array,
  view: DataView,
  record: CentralRecord,
  { end, hasChecksums, budget }: Unpacking,
): Uint8Array {
  const { name, flags, method, crc, packed, unpacked, local } = record;
  const file = quoted(name);
  if ([packed, unpacked, local].includes(0xffffffff)) throw unsupported('zip64');
  if ((flags & ENCRYPTED) !== 0) throw unsupported(`the encrypted entry ${file}`);
  if (local + LOCAL_BYTES > end || view.getUint32(local, true) !== LOCAL_SIGNATURE) {
    throw damaged(`entry ${file} has no local header`);
  }
  const begin = local + LOCAL_BYTES + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  if (begin + packed > end) throw damaged(`entry ${file} lies outside the file`);
  const content = decompress(archive.subarray(begin, begin + packed), { method, unpacked, file, budget });
  if (hasChecksums && crc32(content) !== crc) throw damaged(`entry ${file} does not match its checksum`);
  return content;
}

function decompress(
  packed: Uint8Array,
  { method, unpacked, file, budget }: { method: number; unpacked: number; file: string; budget: Budget },
): Uint8Array {
  if (method === STORED) {
    if (packed.length !== unpacked) throw damaged(`entry ${file} has two different sizes`);
    return packed;
  }
  if (method !== DEFLATED) throw unsupported(`compression method ${method} of entry ${file}`);
  try {
    return inflate(packed, unpacked, budget);
  } catch (error) {
    if (error instanceof NeonsenseError) throw error;
    throw damaged(`entry ${file} cannot be inflated (${(error as Error).message})`, error);
  }
}

/** Four tables, so that four bytes are looked up at once: CRC-32 of a byte followed by 0 to 3 zero bytes. */
const CRC_TABLES = crcTables();

function crcTables(): Int32Array[] {
  const tables = Array.from({ length: 4 }, () => new Int32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    tables[0]![byte] = crc;
  }
  for (let zeros = 1; zeros < 4; zeros++) {
    for (let byte = 0; byte < 256; byte++) {
      const crc = tables[zeros - 1]![byte]!;
      tables[zeros]![byte] = (crc >>> 8) ^ tables[0]![crc & 0xff]!;
    }
  }
  return tables;
}

/** CRC-32 as in zip and PNG (polynomial 0xedb88320, reflected). */
function crc32(bytes: Uint8Array): number {
  const [t0, t1, t2, t3] = CRC_TABLES as [Int32Array, Int32Array, Int32Array, Int32Array];
  let crc = -1;
  let index = 0;
  for (; index + 4 <= bytes.length; index += 4) {
    crc ^= bytes[index]! | (bytes[index + 1]! << 8) | (bytes[index + 2]! << 16) | (bytes[index + 3]! << 24);
    crc = t3[crc & 0xff]! ^ t2[(crc >>> 8) & 0xff]! ^ t1[(crc >>> 16) & 0xff]! ^ t0[crc >>> 24]!;
  }
  for (; index < bytes.length; index++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[index]!) & 0xff]!;
  return ~crc >>> 0;
}

function damaged(what: string, cause?: unknown): NeonsenseError {
  return new NeonsenseError('ERR_MODEL_FORMAT', `Damaged zip archive: ${what}`, { cause });
}

function unsupported(what: string): NeonsenseError {
  return new NeonsenseError('ERR_UNSUPPORTED', `This zip archive uses ${what}, which PyTorch does not; save it again`);
}
