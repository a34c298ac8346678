import { NeonsenseError, shortened } from '../../../errors.js';
import { elementCount } from '../../weights.js';
import type { StateTensor } from '../stateDict.js';
import { floatsToSingle } from '../stateDict.js';

/** What the elements of each typed storage are. Quantized ones hold plain integers. */
const STORAGE_TYPES = {
  FloatStorage: 'F32',
  DoubleStorage: 'F64',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'U8',
  QInt8Storage: 'I8',
  QUInt8Storage: 'U8',
  QInt32Storage: 'I32',
} as const;

type StorageName = keyof typeof STORAGE_TYPES;

const ELEMENT_BYTES = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2, I16: 2, I8: 1, U8: 1 } as const;

/** Whether `name` is one of torch's storage classes that can be read. */
export function isStorageName(name: string): name is StorageName {
  return Object.hasOwn(STORAGE_TYPES, name);
}

/** The memory of one or more tensors. */
export interface Storage {
  readonly type: StorageName;
  /** Name of its file in the archive's `data/`. */
  readonly key: string;
  /** Number of elements. */
  readonly length: number;
}

/** `w = scale * (q - zeroPoint)`, for the whole tensor or for each index of `axis`. */
export interface Quantizer {
  readonly scales: TorchTensor | number;
  readonly zeroPoints: TorchTensor | number;
  readonly axis: number;
}

type Numbers = Float32Array | Float64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/**
 * A strided view of a storage, as `torch._utils._rebuild_tensor_v2` describes it.
 *
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` from the constructor when the view reaches beyond its storage.
 */
export class TorchTensor {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
    readonly quantizer?: Quantizer,
  ) {
    const count = elementCount(shape);
    let last = offset;
    shape.forEach((size, axis) => (last += (size - 1) * strides[axis]!));
    // An expanded tensor would claim more elements than there are; no state_dict holds one.
    if (strides.length !== shape.length || (count > 0 && last >= storage.length) || count > storage.length) {
      throw new NeonsenseError(
        'ERR_MODEL_FORMAT',
        `Damaged checkpoint: a tensor of shape [${shape.join(', ')}], strides [${strides.join(', ')}] and offset ` +
          `${offset} does not fit its storage ${storage.key} of ${storage.length} elements`,
      );
    }
  }
}

/** Gives the content of the archive's file `data/<key>`, which must have `bytes` bytes. */
export type StorageReader = (key: string, bytes: number) => Uint8Array;

/** `tensor` for a state_dict: its real numbers in single precision, read when they are needed. */
export function toStateTensor(tensor: TorchTensor, name: string, readStorage: StorageReader): StateTensor {
  const { storage, offset, strides, quantizer } = tensor;
  const type = quantizer !== undefined || /F/.test(STORAGE_TYPES[storage.type]) ? 'float' : 'integer';
  return {
    shape: tensor.shape,
    type,
    isQuantized: quantizer !== undefined,
    place: `${storage.key}+${offset} ${strides.join()}`,
    read: () => toSingle(tensor, name, readStorage),
  };
}

/** `tensor` as one whose numbers may also be integers, for constants of code. */
export function toConstant(tensor: TorchTensor, name: string, readStorage: StorageReader): StateTensor {
  const state = toStateTensor(tensor, name, readStorage);
  return state.type === 'float' ? state : { ...state, read: () => Float32Array.from(elements(tensor, readStorage)) };
}

function toSingle(tensor: TorchTensor, name: string, readStorage: StorageReader): Float32Array {
  if (tensor.quantizer !== undefined) return dequantized(tensor, tensor.quantizer, readStorage);
  const numbers = elements(tensor, readStorage);
  if (numbers instanceof Float32Array) return numbers;
  if (numbers instanceof Float64Array && tensor.storage.type === 'DoubleStorage') return Float32Array.from(numbers);
  throw new NeonsenseError(
    'ERR_MODEL_ARCHITECTURE',
    `Expected floats for tensor ${shortened(name)} of the checkpoint but it is a torch.${tensor.storage.type}`,
  );
}

/** As torch's `Tensor.dequantize()`: integer difference times scale, rounded to single precision. */
function dequantized(tensor: TorchTensor, quantizer: Quantizer, readStorage: StorageReader): Float32Array {
  const { shape } = tensor;
  const integers = elements(tensor, readStorage);
  const channels = typeof quantizer.scales === 'number' ? 1 : (shape[quantizer.axis] ?? 0);
  const scales = perChannel(quantizer.scales, channels, readStorage);
  const zeroPoints = perChannel(quantizer.zeroPoints, channels, readStorage);
  const inner = channels === 1 ? integers.length : elementCount(shape.slice(quantizer.axis + 1));
  const result = new Float32Array(integers.length);
  for (let i = 0; i < result.length; i++) {
    const channel = Math.floor(i / inner) % channels;
    result[i] = Math.fround(scales[channel]!) * (integers[i]! - zeroPoints[channel]!);
  }
  return result;
}

function perChannel(values: TorchTensor | number, channels: number, readStorage: StorageReader): ArrayLike<number> {
  if (typeof values === 'number') return [values];
  const numbers = elements(values, readStorage);
  if (numbers.length === channels) return numbers;
  throw new NeonsenseError(
    'ERR_MODEL_FORMAT',
    `Damaged checkpoint: ${numbers.length} scales or zero points for ${channels} channels`,
  );
}

/** The tensor's elements row by row; a view into the archive where they lie so and need no conversion. */
function elements(tensor: TorchTensor, readStorage: StorageReader): Numbers {
  const { storage, offset, shape } = tensor;
  const type = STORAGE_TYPES[storage.type];
  const width = ELEMENT_BYTES[type];
  const bytes = readStorage(storage.key, storage.length * width);
  const count = elementCount(shape);
  if (isContiguous(tensor)) return toNumbers(type, bytes.subarray(offset * width, (offset + count) * width));
  const source = toNumbers(type, bytes);
  const result = new (source.constructor as new (length: number) => Numbers)(count);
  gather(tensor, source, result);
  return result;
}

function isContiguous({ shape, strides }: TorchTensor): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

/** Copies a strided tensor row by row: an odometer over its indices that keeps the position beside it. */
function gather({ shape, strides, offset }: TorchTensor, source: Numbers, result: Numbers): void {
  const index = shape.map(() => 0);
  let position = offset;
  for (let i = 0; i < result.length; i++) {
    result[i] = source[position]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      position += strides[axis]!;
      if (index[axis]! < shape[axis]!) break;
      position -= shape[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
}

function toNumbers(type: keyof typeof ELEMENT_BYTES, unaligned: Uint8Array): Numbers {
  const width = ELEMENT_BYTES[type];
  const bytes = unaligned.byteOffset % width === 0 ? unaligned : unaligned.slice();
  const { buffer, byteOffset } = bytes;
  const length = bytes.length / width;
  switch (type) {
    case 'F64':
      return new Float64Array(buffer, byteOffset, length);
    case 'I64':
      return Float64Array.from(new BigInt64Array(buffer, byteOffset, length), Number);
    case 'I32':
      return new Int32Array(buffer, byteOffset, length);
    case 'I16':
      return new Int16Array(buffer, byteOffset, length);
    case 'I8':
      return new Int8Array(buffer, byteOffset, length);
    case 'U8':
      return new Uint8Array(buffer, byteOffset, length);
    default:
      return floatsToSingle(type, bytes)!;
  }
}
