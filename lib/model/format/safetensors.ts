import { describe, NeonsenseError, quoted, shortened } from '../../errors.js';
import { Budget } from '../../files/limits.js';
import { countKeys, duplicateKey, parseJson } from './json.js';

/** Bytes of one element of each type the container knows. */
const ELEMENT_BYTES = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

export type DType = keyof typeof ELEMENT_BYTES;

/** One tensor of the file: little-endian elements, row by row. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** What a safetensors file holds. */
export interface Container {
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** `__metadata__`, empty where the file has none. */
  readonly metadata: ReadonlyMap<string, string>;
}

const LENGTH_BYTES = 8;
// Tensor data begins at a multiple of this in the file, so that every element type can be viewed in place.
const ALIGNMENT = 8;

/**
 * Parses a safetensors file. Every tensor's `bytes` is a view into `file`, not a copy. The header is checked in full:
 * the tensors must lie within the file, in shapes that match their bytes, without overlap or hole, and the last one
 * must end where the file ends.
 *
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` naming what is wrong and where, or the limit of `budget` it exceeds.
 */
export function parseSafetensors(file: Uint8Array, budget: Budget = new Budget()): Container {
  const headerLength = readHeaderLength(file);
  budget.check('headerBytes', headerLength);
  const header = readHeader(file.subarray(LENGTH_BYTES, LENGTH_BYTES + headerLength), budget);
  const data = file.subarray(LENGTH_BYTES + headerLength);
  const tensors = new Map<string, Tensor>();
  const ranges: { name: string; begin: number; end: number }[] = [];
  let metadata = new Map<string, string>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      metadata = readMetadata(entry);
      continue;
    }
    const { dtype, shape, begin, end } = readEntry(name, entry, data.length);
    ranges.push({ name, begin, end });
    tensors.set(name, { dtype, shape, bytes: data.subarray(begin, end) });
  }
  checkCoverage(ranges, data.length);
  return { tensors, metadata };
}

function readHeaderLength(file: Uint8Array): number {
  if (file.length < LENGTH_BYTES) {
    throw damaged(`expected at least ${LENGTH_BYTES} bytes but the file has ${file.length}`);
  }
  const view = new DataView(file.buffer, file.byteOffset, LENGTH_BYTES);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > file.length - LENGTH_BYTES) {
    throw damaged(`the header is said to have ${length} bytes but only ${file.length - LENGTH_BYTES} follow`);
  }
  return length;
}

function readHeader(bytes: Uint8Array, budget: Budget): Record<string, unknown> {
  if (bytes[0] !== 0x7b) throw damaged('the header does not begin with {');
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    header = parseJson(text, budget);
  } catch (error) {
    if (error instanceof NeonsenseError) throw error;
    throw damaged(`the header is not JSON in UTF-8 (${(error as Error).message})`, error);
  }
  const entries = header as Record<string, unknown>;
  // Most headers were written just so, and can't have lost a key then.
  if (JSON.stringify(entries) !== text.trimEnd() && countKeys(text) !== keysOf(entries)) {
    const twice = duplicateKey(text);
    if (twice !== undefined) throw damaged(`the header has the key ${quoted(twice, 80)} twice`);
  }
  return entries;
}

/** Keys of the header and of the objects in it; as many as are written there, unless one was written twice. */
function keysOf(header: Record<string, unknown>): number {
  const entries = Object.values(header);
  return entries.reduce<number>(
    (sum, entry) => sum + (isObject(entry) ? Object.keys(entry).length : 0),
    entries.length,
  );
}

function readMetadata(entry: unknown): Map<string, string> {
  if (!isObject(entry)) throw damaged('__metadata__ is not an object');
  const metadata = new Map<string, string>();
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== 'string')
      throw damaged(`__metadata__ has a value that is not a string under ${quoted(key, 80)}`);
    metadata.set(key, value);
  }
  return metadata;
}

interface Entry {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function readEntry(name: string, entry: unknown, dataLength: number): Entry {
  const tensor = `tensor ${quoted(name, 80)}`;
  if (!isObject(entry)) throw damaged(`${tensor} is not described by an object`);
  const { dtype, shape, data_offsets: offsets, ...rest } = entry;
  const [surplus] = Object.keys(rest);
  if (surplus !== undefined) throw damaged(`${tensor} has an unknown property ${quoted(surplus, 80)}`);
  if (typeof dtype !== 'string' || !Object.hasOwn(ELEMENT_BYTES, dtype)) {
    throw damaged(`${tensor} has the unknown dtype ${describe(dtype)}`);
  }
  if (!isCountList(shape)) throw damaged(`${tensor} has a shape that is not a list of sizes`);
  if (!isCountList(offsets) || offsets.length !== 2) throw damaged(`${tensor} has no pair of data_offsets`);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataLength) {
    throw damaged(`${tensor} lies at bytes ${begin} to ${end} of the data, which has only ${dataLength}`);
  }
  const expected = byteLength(shape, ELEMENT_BYTES[dtype as DType]);
  if (expected !== end - begin) {
    throw damaged(
      `${tensor} of ${dtype} [${shortened(shape.join(', '))}] needs ${expected} bytes but has ${end - begin}`,
    );
  }
  return { dtype: dtype as DType, shape, begin, end };
}

/** Infinity where the product is too large to be exact; no file is that long. */
function byteLength(shape: readonly number[], elementBytes: number): number {
  let bytes = elementBytes;
  for (const size of shape) bytes *= size;
  return Number.isSafeInteger(bytes) ? bytes : Infinity;
}

function checkCoverage(ranges: { name: string; begin: number; end: number }[], dataLength: number): void {
  ranges.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name, begin, end } of ranges) {
    if (begin < covered) throw damaged(`tensor ${quoted(name, 80)} overlaps the tensor before it`);
    if (begin > covered)
      throw damaged(`${begin - covered} bytes before tensor ${quoted(name, 80)} belong to no tensor`);
    covered = end;
  }
  if (covered !== dataLength) throw damaged(`${dataLength - covered} bytes follow the last tensor`);
}

/**
 * Lays out a safetensors file. Tensors are ordered by falling element size, then by name, and the header is padded with
 * blanks, so that every tensor is aligned to its element size in the file. The same content gives the same bytes.
 */
export function encodeSafetensors(container: Container): Uint8Array {
  const tensors = [...container.tensors].sort(
    ([nameA, a], [nameB, b]) => ELEMENT_BYTES[b.dtype] - ELEMENT_BYTES[a.dtype] || compare(nameA, nameB),
  );
  const header: [string, unknown][] = [];
  if (container.metadata.size > 0) header.push(['__metadata__', Object.fromEntries(container.metadata)]);
  let dataLength = 0;
  for (const [name, { dtype, shape, bytes }] of tensors) {
    header.push([name, { dtype, shape, data_offsets: [dataLength, dataLength + bytes.length] }]);
    dataLength += bytes.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerLength = Math.ceil((LENGTH_BYTES + json.length) / ALIGNMENT) * ALIGNMENT - LENGTH_BYTES;
  const file = new Uint8Array(LENGTH_BYTES + headerLength + dataLength);
  new DataView(file.buffer).setUint32(0, headerLength, true);
  file.set(json, LENGTH_BYTES);
  file.fill(0x20, LENGTH_BYTES + json.length, LENGTH_BYTES + headerLength);
  let offset = LENGTH_BYTES + headerLength;
  for (const [, { bytes }] of tensors) {
    file.set(bytes, offset);
    offset += bytes.length;
  }
  return file;
}

/** Whether `file` looks like a safetensors file at all: a header length followed by `{`. */
export function looksLikeSafetensors(file: Uint8Array): boolean {
  return file.length > LENGTH_BYTES && file[LENGTH_BYTES] === 0x7b;
}

/** Order of UTF-16 code units, the same on every machine. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCountList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function damaged(what: string, cause?: unknown): NeonsenseError {
  return new NeonsenseError('ERR_MODEL_FORMAT', `Damaged safetensors file: ${what}`, { cause });
}
