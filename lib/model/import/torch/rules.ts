import { NeonsenseError } from '../../../errors.js';
import type { PickleRules, PickleValue } from './pickle.js';
import { Global, PersistentId, Tuple } from './pickle.js';
import type { Quantizer, Storage } from './tensor.js';
import { isStorageName, TorchTensor } from './tensor.js';

type Call = (args: readonly PickleValue[]) => PickleValue;

/** Functions a checkpoint of tensors calls, done here without Python. */
const CALLS = new Map<string, Call>([
  ['collections.OrderedDict', orderedDict],
  ['torch.Size', ([sizes]) => sizes ?? new Tuple([])],
  ['torch._utils._rebuild_tensor', ([storage, offset, shape, strides]) => tensor(storage, offset, shape, strides)],
  ['torch._utils._rebuild_tensor_v2', ([storage, offset, shape, strides]) => tensor(storage, offset, shape, strides)],
  ['torch._utils._rebuild_parameter', ([data]) => data ?? null],
  ['torch._utils._rebuild_qtensor', quantizedTensor],
  // TorchScript tells the element types of its lists and dicts this way.
  ['torch.jit._pickle.build_intlist', ([list]) => list ?? null],
  ['torch.jit._pickle.build_doublelist', ([list]) => list ?? null],
  ['torch.jit._pickle.build_boollist', ([list]) => list ?? null],
  ['torch.jit._pickle.build_tensorlist', ([list]) => list ?? null],
  ['torch.jit._pickle.restore_type_tag', ([value]) => value ?? null],
]);

/** Names that are only mentioned: element types and quantization schemes. */
const NAMES = new Set(
  [
    ...['float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool'],
    ...['qint8', 'quint8', 'qint32', 'per_tensor_affine', 'per_channel_affine'],
  ].map((name) => `torch.${name}`),
);

/** What the pickle of a PyTorch checkpoint may name, and what comes of it. */
export const torchRules: PickleRules = {
  call: (callee, args) => CALLS.get(callee.path)?.(args),
  allows: (name) => CALLS.has(name.path) || NAMES.has(name.path) || isStorage(name) || isScriptModule(name),
  instantiates: isScriptModule,
};

function isStorage({ module, name }: Global): boolean {
  return module === 'torch' && isStorageName(name);
}

/** Modules compiled by TorchScript; `torch.classes` are C++ objects with a state of their own. */
function isScriptModule({ module }: Global): boolean {
  return module.startsWith('__torch__.') && !module.startsWith('__torch__.torch.classes.');
}

function orderedDict(args: readonly PickleValue[]): PickleValue {
  const entries = new Map<PickleValue, PickleValue>();
  const [pairs] = args;
  if (Array.isArray(pairs)) {
    for (const pair of pairs as PickleValue[]) {
      const items = pair instanceof Tuple ? pair.items : Array.isArray(pair) ? (pair as PickleValue[]) : [];
      if (items.length !== 2) throw malformed('an OrderedDict of something other than pairs');
      entries.set(items[0]!, items[1]!);
    }
  }
  return entries;
}

function tensor(
  storage: PickleValue | undefined,
  offset: PickleValue | undefined,
  shape: PickleValue | undefined,
  strides: PickleValue | undefined,
  quantizer?: Quantizer,
): TorchTensor {
  return new TorchTensor(toStorage(storage), count(offset), counts(shape), counts(strides), quantizer);
}

function quantizedTensor([storage, offset, shape, strides, parameters]: readonly PickleValue[]): PickleValue {
  const [scheme, scales, zeroPoints, axis] = parameters instanceof Tuple ? parameters.items : [];
  if (!(scheme instanceof Global)) throw malformed('a quantized tensor without a scheme');
  if (scheme.name === 'per_tensor_affine' && typeof scales === 'number' && typeof zeroPoints === 'number') {
    return tensor(storage, offset, shape, strides, { scales, zeroPoints, axis: 0 });
  }
  if (scheme.name === 'per_channel_affine' && scales instanceof TorchTensor && zeroPoints instanceof TorchTensor) {
    const along = count(axis);
    if (along >= counts(shape).length) throw malformed('a quantized tensor with an axis it does not have');
    return tensor(storage, offset, shape, strides, { scales, zeroPoints, axis: along });
  }
  throw malformed(`a quantized tensor of scheme ${scheme.path} with unexpected parameters`);
}

function toStorage(value: PickleValue | undefined): Storage {
  const id = value instanceof PersistentId ? value.id : null;
  const [tag, type, key, , length] = id instanceof Tuple ? id.items : [];
  const name = type instanceof Global && type.module === 'torch' ? type.name : '';
  if (tag !== 'storage' || !isStorageName(name) || typeof key !== 'string') {
    throw malformed('a tensor whose storage cannot be read');
  }
  return { type: name, key, length: count(length) };
}

function count(value: PickleValue | undefined): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw malformed('a tensor with a size, stride or offset that is not a whole number');
  }
  return value;
}

function counts(value: PickleValue | undefined): readonly number[] {
  const items = value instanceof Tuple ? value.items : Array.isArray(value) ? (value as PickleValue[]) : undefined;
  if (items === undefined) throw malformed('a tensor without sizes or strides');
  return items.map(count);
}

function malformed(what: string): NeonsenseError {
  return new NeonsenseError('ERR_MODEL_FORMAT', `Damaged checkpoint: it holds ${what}`);
}
