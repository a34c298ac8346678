import { NeonsenseError, quoted } from '../../errors.js';
import type { Budget } from '../../files/limits.js';
import type { Model } from '../model.js';
import { elementCount } from '../weights.js';
import { floatsToSingle, modelFromStateDict, type StateTensor } from './stateDict.js';
import type { ZipEntry } from './torch/zip.js';
import { transposed } from './transposed.js';

/** What NumPy's files end in. */
const SUFFIX = '.npy';
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** Of the text that says type and shape; NumPy's own are far below. */
const LONGEST_HEADER = 4096;
const MOST_AXES = 8;
/** Longer names belong to no layer. */
const LONGEST_NAME = 256;

/** Whether a zip archive holds NumPy arrays and nothing else. */
export function isNpz(entries: ReadonlyMap<string, ZipEntry>): boolean {
  return entries.size > 0 && [...entries.keys()].every((name) => name.endsWith(SUFFIX));
}

/**
 * Reads what `numpy.savez` or `numpy.savez_compressed` wrote: the weights of a Keras MobileNetV3 by their names, see
 * `layouts`. Arrays are read when they are needed, and nothing is executed: arrays of Python objects are refused.
 *
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` for a damaged file or one beyond `budget`, `ERR_MODEL_ARCHITECTURE` when
 * the arrays make up another network.
 */
export function readNpz(entries: ReadonlyMap<string, ZipEntry>, budget: Budget): Model {
  const tensors = new Map<string, StateTensor>();
  for (const [file, entry] of entries) {
    budget.spend('work');
    if (file.length > LONGEST_NAME) continue;
    tensors.set(file.slice(0, -SUFFIX.length), tensorOf(entry));
  }
  return modelFromStateDict(tensors, [{ step: 'convert', details: { from: 'NumPy arrays' } }], budget);
}

function tensorOf(entry: ZipEntry): StateTensor {
  const bytes = entry.read();
  const { descr, shape, start, isFortran } = headerOf(bytes, entry.name);
  const dtype = FLOATS.get(descr);
  const type = dtype === undefined ? 'integer' : 'float';
  const read = (): Float32Array => {
    if (dtype === undefined) {
      throw new NeonsenseError('ERR_MODEL_ARCHITECTURE', `Expected floats in ${quoted(entry.name)} but found ${descr}`);
    }
    const length = elementCount(shape) * Number(descr.slice(2));
    if (start + length !== bytes.length) throw damaged(entry.name, `it has ${bytes.length - start} bytes of numbers`);
    return floatsToSingle(dtype, bytes.subarray(start))!;
  };
  if (!isFortran) return { shape, type, read };
  const axes = shape.map((_, axis) => shape.length - 1 - axis);
  return transposed({ shape: [...shape].reverse(), type, read }, axes);
}

/** NumPy's names of little-endian floats, and safetensors'. */
const FLOATS: ReadonlyMap<string, string> = new Map([
  ['<f2', 'F16'],
  ['<f4', 'F32'],
  ['<f8', 'F64'],
]);

interface Header {
  readonly descr: string;
  readonly shape: readonly number[];
  /** Where the numbers begin. */
  readonly start: number;
  /** Whether the first axis runs fastest. */
  readonly isFortran: boolean;
}

/** The dictionary that `numpy.lib.format` writes, and where the numbers begin. */
function headerOf(bytes: Uint8Array, name: string): Header {
  const isArray = bytes.length >= 12 && MAGIC.every((byte, index) => bytes[index] === byte);
  const version = bytes[6] ?? 0;
  if (!isArray || version < 1 || version > 3) throw damaged(name, 'it does not begin as an array does');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [length, begin] = version === 1 ? [view.getUint16(8, true), 10] : [view.getUint32(8, true), 12];
  const start = begin + length;
  if (length > LONGEST_HEADER || start > bytes.length) throw damaged(name, 'its header is cut short or too long');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + begin, length).toString('latin1');
  const descr = /'descr':\s*'([^']{1,16})'/.exec(text)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
  const sides = /'shape':\s*\(([\d, ]*)\)/.exec(text)?.[1];
  if (descr === undefined || order === undefined || sides === undefined) {
    throw damaged(name, `its header is ${quoted(text.trim(), 120)}`);
  }
  const shape = sides.split(',').flatMap((side) => (side.trim() === '' ? [] : [Number(side)]));
  if (shape.length > MOST_AXES || !shape.every((side) => Number.isSafeInteger(side))) {
    throw damaged(name, `its shape is (${sides.slice(0, 80)})`);
  }
  return { descr, shape, start, isFortran: order === 'True' };
}

function damaged(name: string, what: string): NeonsenseError {
  return new NeonsenseError('ERR_MODEL_FORMAT', `Damaged NumPy archive: of ${quoted(name)}, ${what}`);
}
