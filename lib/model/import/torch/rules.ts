import { NeonsenseError, shortened } from '../../../errors.js';
import type { Budget } from '../../../files/limits.js';
import type { PickleRules, PickleValue } from './pickle.js';
import { Global, Opaque, PersistentId, Tuple } from './pickle.js';
import type { Quantizer, Storage } from './tensor.js';
import { isStorageName, TorchTensor } from './tensor.js';

type Call = (args: readonly PickleValue[], budget: Budget) => PickleValue;

const MOST_DIMENSIONS = 16;

/** Functions a checkpoint of tensors calls, done here without Python. The result of any other is opaque. */
const CALLS = new Map<string, Call>([
  ['collections.OrderedDict', orderedDict],
  ['collections.defaultdict', () => new Map()],
  ['torch.Size', ([sizes]) => sizes ?? new Tuple([])],
  ['torch._utils._rebuild_tensor', ([storage, offset, shape, strides]) => tensor(storage, offset, shape, strides)],
  ['torch._utils._rebuild_tensor_v2', ([storage, offset, shape, strides]) => tensor(storage, offset, shape, strides)],
  ['torch._utils._rebuild_parameter', ([data]) => data ?? null],
  ['torch._utils._rebuild_parameter_with_state', ([data]) => data ?? null],
  ['torch._utils._rebuild_qtensor', quantizedTensor],
  ['torch._tensor._rebuild_from_type_v2', rebuiltFromType],
  // TorchScript tells the element types of its lists and dicts this way.
  ['torch.jit._pickle.build_intlist', ([list]) => list ?? null],
  ['torch.jit._pickle.build_doublelist', ([list]) => list ?? null],
  ['torch.jit._pickle.build_boollist', ([list]) => list ?? null],
  ['torch.jit._pickle.build_tensorlist', ([list]) => list ?? null],
  ['torch.jit._pickle.restore_type_tag', ([value]) => value ?? null],
]);

/** What comes of the names in the pickle of a PyTorch checkpoint. */
export const torchRules: PickleRules = {
  call: (callee, args, budget) => CALLS.get(callee.path)?.(args, budget),
  hasAttributes: isScriptModule,
};

/** Modules compiled by TorchScript; `torch.classes` are C++ objects with a state of their own. */
function isScriptModule({ module }: Global): boolean {
  return /^__torch__(\.|$)/.test(module) && !module.startsWith('__torch__.torch.classes.');
}

/** A subclass of Tensor: the function that makes the tensor, the class, and the function's arguments. */
function rebuiltFromType([callee, , args]: readonly PickleValue[], budget: Budget): PickleValue {
  if (!(callee instanceof Global && args instanceof Tuple)) throw malformed('a tensor of a class it does not name');
  // Once, and not for a call inside a call.
  if (callee.path === 'torch._tensor._rebuild_from_type_v2') return new Opaque(callee.path);
  return CALLS.get(callee.path)?.(args.items, budget) ?? new Opaque(callee.path);
}

function orderedDict([pairs]: readonly PickleValue[], budget: Budget): PickleValue {
  const entries = new Map<PickleValue, PickleValue>();
  if (Array.isArray(pairs)) {
    budget.spend('objects', pairs.length);
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
): TorchTensor | Opaque {
  const memory = toStorage(storage);
  if (memory instanceof Opaque) return memory;
  return new TorchTensor(memory, count(offset), counts(shape), counts(strides), quantizer);
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

/** The storage a persistent id names; opaque where it holds other than the real numbers read here. */
function toStorage(value: PickleValue | undefined): Storage | Opaque {
  if (value instanceof Opaque) return value;
  const id = value instanceof PersistentId ? value.id : null;
  const [tag, type, key, , length] = id instanceof Tuple ? id.items : [];
  if (tag !== 'storage' || !(type instanceof Global) || typeof key !== 'string') {
    throw malformed('a tensor whose storage cannot be read');
  }
  if (type.module !== 'torch' || !isStorageName(type.name)) return new Opaque(type.path);
  return { type: type.name, key: shortened(key), length: count(length) };
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
  // One list may be the shape of many tensors.
  if (items.length > MOST_DIMENSIONS) throw malformed(`a tensor of ${items.length} dimensions`);
  return items.map(count);
}

function malformed(what: string): NeonsenseError {
  return new NeonsenseError('ERR_MODEL_FORMAT', `Damaged checkpoint: it holds ${what}`);
}
