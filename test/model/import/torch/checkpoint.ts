import { zipSync } from 'fflate';
import type { Model } from '../../../../lib/model/model.js';
import { layerSpecs } from '../../../../lib/model/network.js';

/** A piece of a pickle: opcodes that leave one value on the stack. */
export type Piece = Buffer;

const bytes = (...values: number[]): Buffer => Buffer.from(values);

export const pickle = {
  none: bytes(0x4e),
  global: (module: string, name: string): Piece => Buffer.from(`c${module}\n${name}\n`),
  text: (value: string): Piece => {
    const utf8 = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(utf8.length);
    return Buffer.concat([bytes(0x58), length, utf8]);
  },
  integer: (value: number): Piece => {
    const operand = Buffer.alloc(5);
    operand[0] = 0x4a;
    operand.writeInt32LE(value, 1);
    return operand;
  },
  float: (value: number): Piece => {
    const operand = Buffer.alloc(9);
    operand[0] = 0x47;
    operand.writeDoubleBE(value, 1);
    return operand;
  },
  boolean: (value: boolean): Piece => bytes(value ? 0x88 : 0x89),
  tuple: (...items: Piece[]): Piece => Buffer.concat([bytes(0x28), ...items, bytes(0x74)]),
  dict: (entries: Iterable<readonly [string, Piece]>): Piece =>
    Buffer.concat([
      bytes(0x7d, 0x28),
      ...[...entries].flatMap(([key, value]) => [pickle.text(key), value]),
      bytes(0x75),
    ]),
  call: (callee: Piece, ...args: Piece[]): Piece => Buffer.concat([callee, pickle.tuple(...args), bytes(0x52)]),
  persistent: (id: Piece): Piece => Buffer.concat([id, bytes(0x51)]),
  /** An instance whose state is set, as TorchScript writes modules. */
  instance: (type: Piece, state: Piece): Piece => Buffer.concat([type, bytes(0x29, 0x81), state, bytes(0x62)]),
  file: (value: Piece): Buffer => Buffer.concat([bytes(0x80, 2), value, bytes(0x2e)]),
};

/** Where and how a tensor's elements lie. */
export interface Layout {
  readonly storage?: string;
  readonly key: string;
  readonly length: number;
  readonly shape: readonly number[];
  readonly strides?: readonly number[];
  readonly offset?: number;
}

const integers = (values: readonly number[]): Piece => pickle.tuple(...values.map(pickle.integer));
const hooks = pickle.call(pickle.global('collections', 'OrderedDict'));

export function contiguous(shape: readonly number[]): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
}

function viewOf({
  storage = 'FloatStorage',
  key,
  length,
  shape,
  strides = contiguous(shape),
  offset = 0,
}: Layout): Piece[] {
  const type = pickle.global('torch', storage);
  const id = pickle.tuple(pickle.text('storage'), type, pickle.text(key), pickle.text('cpu'), pickle.integer(length));
  return [pickle.persistent(id), pickle.integer(offset), integers(shape), integers(strides)];
}

export function tensor(layout: Layout): Piece {
  const rebuild = pickle.global('torch._utils', '_rebuild_tensor_v2');
  return pickle.call(rebuild, ...viewOf(layout), pickle.boolean(false), hooks);
}

export function quantizedTensor(layout: Layout, quantizer: Piece): Piece {
  const rebuild = pickle.global('torch._utils', '_rebuild_qtensor');
  return pickle.call(rebuild, ...viewOf(layout), quantizer, pickle.boolean(false), hooks);
}

export interface Checkpoint {
  readonly root: Piece;
  readonly storages: Map<string, Uint8Array>;
  /** More files of the archive. */
  readonly extra?: Record<string, Uint8Array>;
}

/** A zip as torch.save lays it out; made by fflate, so independent of the reader. */
export function archive({ root, storages, extra = {} }: Checkpoint, { level = 0 as 0 | 6 } = {}): Uint8Array {
  const files: Record<string, Uint8Array> = { 'net/data.pkl': pickle.file(root), 'net/version': Buffer.from('3\n') };
  for (const [key, content] of storages) files[`net/data/${key}`] = content;
  for (const [name, content] of Object.entries(extra)) files[`net/${name}`] = content;
  return zipSync(files, { level });
}

/** The float tensors of `model` under torchvision's names. */
export function tensorsOf(model: Model): Map<string, { shape: readonly number[]; data: Float32Array }> {
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const { name, shape, batchNorm } of layerSpecs(model.architecture)) {
    const layer = model.layers.get(name)!;
    const vector = (tensorName: string, data: Float32Array): unknown =>
      tensors.set(tensorName, { shape: [data.length], data });
    tensors.set(`${name}.weight`, { shape, data: layer.weights.data as Float32Array });
    if (layer.bias) vector(`${name}.bias`, layer.bias);
    if (layer.batchNorm) {
      vector(`${batchNorm}.weight`, layer.batchNorm.weight);
      vector(`${batchNorm}.bias`, layer.batchNorm.bias);
      vector(`${batchNorm}.running_mean`, layer.batchNorm.mean);
      vector(`${batchNorm}.running_var`, layer.batchNorm.variance);
    }
  }
  return tensors;
}

/** `model` as a state_dict's entries and their storages, each tensor in a storage of its own, named from `first` on. */
export function stateOf(
  model: Model,
  prefix = '',
  first = '',
): { entries: Map<string, Piece>; storages: Map<string, Uint8Array> } {
  const entries = new Map<string, Piece>();
  const storages = new Map<string, Uint8Array>();
  for (const [name, { shape, data }] of tensorsOf(model)) {
    const key = `${first}${storages.size}`;
    storages.set(key, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    entries.set(prefix + name, tensor({ key, length: data.length, shape }));
  }
  return { entries, storages };
}

/** A `.pth` of `model`'s state_dict. */
export function stateDictFile(model: Model): Uint8Array {
  const { entries, storages } = stateOf(model);
  return archive({ root: pickle.dict(entries), storages });
}
