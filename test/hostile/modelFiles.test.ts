import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../lib/errors.js';
import { NeonsenseError } from '../../lib/errors.js';
import { encodeModel, readModel } from '../../lib/model/files.js';
import { contentHash } from '../../lib/model/format/contentHash.js';
import type { Tensor } from '../../lib/model/format/safetensors.js';
import { encodeSafetensors, parseSafetensors } from '../../lib/model/format/safetensors.js';
import fc from '../fastCheck.js';
import type { Layout, Piece } from '../model/import/torch/checkpoint.js';
import { archive, pickle, quantizedTensor, stateDictFile, stateOf, tensor } from '../model/import/torch/checkpoint.js';
import { randomModel } from '../randomModel.js';
import { torchvisionArchitecture } from '../torchvisionArchitecture.js';

/** The typed error `file` is refused with; anything else fails the test. */
async function refusal(file: string | Uint8Array): Promise<NeonsenseError> {
  const outcome: unknown = await readModel(file).catch((error: unknown) => error);
  expect(outcome).toBeInstanceOf(NeonsenseError);
  return outcome as NeonsenseError;
}

async function expectRefusal(file: string | Uint8Array, code: ErrorCode, message: RegExp): Promise<void> {
  const error = await refusal(file);
  expect(error.message).toMatch(message);
  expect(error.code).toBe(code);
}

const architecture = torchvisionArchitecture('mobilenet_v3_small', { width: 0.1, classes: 3 });
const model = randomModel({ architecture, sparsity: 0.5 });
const int8 = {
  ...randomModel({
    architecture,
    folded: true,
    sparsity: 0.5,
    weightType: ({ kind }) => (kind === 'linear' ? 'i8' : 'f32'),
  }),
  precision: 'int8-dynamic' as const,
  quantization: { mode: 'dynamic' as const, scope: 'linear' as const },
};
const safetensors = encodeModel(model);
const pth = stateDictFile(model);

describe('a path', () => {
  it('that leads nowhere, or to a directory, is named', async () => {
    await expectRefusal('no/such/model.safetensors', 'ERR_NOT_FOUND', /no\/such\/model\.safetensors/);
    await expectRefusal(tmpdir(), 'ERR_IO', /regular file|EISDIR/);
    await expectRefusal(`bad\0path`, 'ERR_IO', /null bytes/);
    await expectRefusal(7 as unknown as string, 'ERR_INVALID_ARGUMENT', /`file`/);
  });

  it('is named in what is wrong with the file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'neonsense-hostile-'));
    const path = join(directory, 'cut.pth');
    await writeFile(path, pth.subarray(0, 1000));
    await expectRefusal(path, 'ERR_MODEL_FORMAT', /cut\.pth: Damaged zip/);
    await rm(directory, { recursive: true });
  });
});

describe('a file of another kind', () => {
  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['one byte', Uint8Array.of(0x80)],
    ['text', Buffer.from('<!doctype html><title>404 Not Found</title>')],
    ['HDF5', Buffer.from('894844460d0a1a0a0000000000080800', 'hex')],
  ])('with %s in it is refused', async (_, file) => {
    await expectRefusal(file, 'ERR_MODEL_FORMAT', /Expected a model/);
  });

  it('that is a zip of something else is refused', async () => {
    await expectRefusal(zipSync({ 'word/document.xml': Buffer.from('<w/>') }), 'ERR_MODEL_FORMAT', /data\.pkl/);
  });

  it('that torch.save wrote before 1.6 says to save it again', async () => {
    const old = Buffer.from('80028a0a6cfc9c46f9206aa850192e8002', 'hex');
    await expectRefusal(old, 'ERR_UNSUPPORTED', /torch\.save\(model\.state_dict\(\)/);
  });
});

describe('a file cut short', () => {
  const lengths = (total: number): number[] => [
    ...Array.from({ length: 24 }, (_, i) => Math.floor((total * i) / 24)),
    total - 1,
  ];

  it.each([
    ['safetensors', safetensors],
    ['pth', pth],
  ])('(%s) is refused wherever it was cut', async (_, file) => {
    for (const length of lengths(file.length))
      expect((await refusal(file.subarray(0, length))).code).toBe('ERR_MODEL_FORMAT');
  });

  it('(the pickle of a pth) is refused wherever it was cut', async () => {
    const { entries, storages } = stateOf(model);
    const whole = pickle.dict(entries);
    for (const length of lengths(whole.length)) {
      expect((await refusal(archive({ root: whole.subarray(0, length), storages }))).code).toBe('ERR_MODEL_FORMAT');
    }
  });
});

describe('a pickle', () => {
  const pickled = (root: Piece): Uint8Array => archive({ root, storages: new Map([['0', new Uint8Array(64)]]) });
  const system = pickle.call(pickle.global('os', 'system'), pickle.text('touch pwned'));

  it.each<[string, Piece, string]>([
    ['os.system', system, 'os.system'],
    ['os.system inside the state_dict', pickle.dict([['features.0.0.weight', system]]), 'os.system'],
    ['builtins.eval', pickle.call(pickle.global('builtins', 'eval'), pickle.text('1')), 'builtins.eval'],
    ['a function of torch that runs code', pickle.call(pickle.global('torch', 'load'), pickle.text('x')), 'torch.load'],
    [
      "a module that only looks like TorchScript's",
      pickle.instance(pickle.global('__torch__', 'X'), pickle.dict([])),
      '__torch__.X',
    ],
    [
      'a C++ class of TorchScript',
      pickle.instance(pickle.global('__torch__.torch.classes.quantized', 'Y'), pickle.dict([])),
      'quantized.Y',
    ],
    [
      'a storage that does not exist',
      tensor({ storage: 'ComplexStorage', key: '0', length: 1, shape: [1] }),
      'ComplexStorage',
    ],
    ['a name from Object.prototype', pickle.global('torch', 'toString'), 'torch.toString'],
    [
      'a name built on the stack',
      Buffer.concat([pickle.text('posix'), pickle.text('system'), Buffer.from([0x93])]),
      'posix.system',
    ],
  ])('that calls %s is refused by name and runs nothing', async (_, root, name) => {
    await expectRefusal(pickled(root), 'ERR_MODEL_FORMAT', new RegExp(name.replaceAll('.', '\\.')));
  });

  const badTensor = (layout: Partial<Layout>): Piece => {
    const entries = stateOf(model).entries;
    entries.set('features.0.0.weight', tensor({ key: '0', length: 216, shape: [8, 3, 3, 3], ...layout }));
    return pickle.dict(entries);
  };
  it.each<[string, Piece]>([
    ['pops an empty stack', Buffer.from('0')],
    ['has no value left', Buffer.alloc(0)],
    ['has an opcode that is none', Buffer.from([0xff])],
    ['uses protocol 0 text', Buffer.from("S'x'\n")],
    ['recalls what it never stored', Buffer.from([0x68, 9])],
    ['sets an item of a number', Buffer.from([0x4b, 1, 0x4b, 1, 0x4b, 1, 0x73])],
    ['appends to None', Buffer.from([0x4e, 0x4e, 0x61])],
    ['sets a key without value', Buffer.from([0x7d, 0x28, 0x4e, 0x75])],
    ['calls a number', Buffer.from([0x4b, 1, 0x29, 0x52])],
    ['calls with no tuple', Buffer.concat([pickle.global('collections', 'OrderedDict'), Buffer.from([0x4e, 0x52])])],
    [
      'builds an OrderedDict of no pairs',
      pickle.call(pickle.global('collections', 'OrderedDict'), Buffer.from([0x5d, 0x4e, 0x61])),
    ],
    ['rebuilds a tensor of nothing', pickle.call(pickle.global('torch._utils', '_rebuild_tensor_v2'))],
    ['rebuilds a quantized tensor of nothing', pickle.call(pickle.global('torch._utils', '_rebuild_qtensor'))],
    ['has text longer than itself', Buffer.from([0x58, 0xff, 0xff, 0xff, 0x7f])],
    ['fills the stack', Buffer.alloc(200_000, 0x4e)],
    ['nests marks without end', Buffer.alloc(200_000, 0x28)],
    [
      'holds a dict that contains itself',
      Buffer.from('7d71005808000000' + Buffer.from('features').toString('hex') + '680073', 'hex'),
    ],
    ['holds a number', pickle.integer(1)],
    ['holds an empty dict', pickle.dict([])],
    ['has an offset beyond the storage', badTensor({ offset: 1 })],
    ['has strides beyond the storage', badTensor({ strides: [27, 9, 3, 100] })],
    ['has a negative stride', badTensor({ strides: [27, 9, 3, -1] })],
    ['has strides of another rank', badTensor({ strides: [27, 9, 3] })],
    ['has a negative size', badTensor({ shape: [-8, 3, 3, 3] })],
    ['has an expanded tensor', badTensor({ shape: [8, 3, 3, 2_000_000_000], strides: [0, 0, 0, 0] })],
    ['has a storage shorter than it says', badTensor({ length: 217 })],
    ['has a storage that is not there', badTensor({ key: 'missing' })],
    ['has a storage outside the archive', badTensor({ key: '../../../../etc/passwd' })],
    ['has a quantizer without scheme', quantizedTensor({ key: '0', length: 1, shape: [1] }, pickle.tuple())],
    [
      'has a quantizer along an axis there is not',
      quantizedTensor(
        { storage: 'QInt8Storage', key: '0', length: 1, shape: [1] },
        pickle.tuple(
          pickle.global('torch', 'per_channel_affine'),
          tensor({ key: '0', length: 1, shape: [1] }),
          tensor({ key: '0', length: 1, shape: [1] }),
          pickle.integer(3),
        ),
      ),
    ],
  ])('that %s is refused', async (_, root) => {
    const { storages } = stateOf(model);
    expect((await refusal(archive({ root, storages }))).code).toBe('ERR_MODEL_FORMAT');
  });

  it('that shares one module a billion times is refused in time', async () => {
    const type = pickle.global('__torch__.M', 'M');
    let node = pickle.instance(type, pickle.dict([['weight', tensor({ key: '0', length: 1, shape: [1] })]]));
    for (let level = 0; level < 30; level++) {
      const store = Buffer.from([0x71, level]);
      const again = Buffer.from([0x68, level]);
      node = pickle.instance(
        type,
        pickle.dict([
          ['a', Buffer.concat([node, store])],
          ['b', again],
        ]),
      );
    }
    await expectRefusal(pickled(node), 'ERR_MODEL_FORMAT', /too many modules/);
  });
});

describe('a zip archive', () => {
  /** Changes the field at `offset` of the record with this signature that belongs to data.pkl, the first one. */
  function patched(signature: number, change: (view: DataView, record: number) => void): Uint8Array {
    const copy = Uint8Array.from(pth);
    const view = new DataView(copy.buffer);
    for (let offset = 0; offset + 4 <= copy.length; offset++) {
      if (view.getUint32(offset, true) === signature) {
        change(view, offset);
        return copy;
      }
    }
    throw new Error('no such record');
  }
  const END = 0x06054b50;
  const CENTRAL = 0x02014b50;
  const LOCAL = 0x04034b50;
  it.each<[string, Uint8Array, ErrorCode, RegExp]>([
    [
      'that is zip64',
      patched(END, (view, at) => view.setUint32(at + 16, 0xffffffff, true)),
      'ERR_UNSUPPORTED',
      /zip64/,
    ],
    ['on several disks', patched(END, (view, at) => view.setUint16(at + 4, 1, true)), 'ERR_UNSUPPORTED', /disks/],
    [
      'with its directory outside',
      patched(END, (view, at) => view.setUint32(at + 12, 0x7fffffff, true)),
      'ERR_MODEL_FORMAT',
      /directory/,
    ],
    [
      'with more entries than it has',
      patched(END, (view, at) => view.setUint16(at + 10, 2000, true)),
      'ERR_MODEL_FORMAT',
      /entry/,
    ],
    [
      'with a name longer than the directory',
      patched(CENTRAL, (view, at) => view.setUint16(at + 28, 0xffff, true)),
      'ERR_MODEL_FORMAT',
      /entry 0/,
    ],
    [
      'that is encrypted',
      patched(CENTRAL, (view, at) => view.setUint16(at + 8, 1, true)),
      'ERR_UNSUPPORTED',
      /encrypted/,
    ],
    [
      'with an unknown method',
      patched(CENTRAL, (view, at) => view.setUint16(at + 10, 99, true)),
      'ERR_UNSUPPORTED',
      /method 99/,
    ],
    [
      'that says stored data is deflated',
      patched(CENTRAL, (view, at) => view.setUint16(at + 10, 8, true)),
      'ERR_MODEL_FORMAT',
      /inflate/,
    ],
    ['with two sizes', patched(CENTRAL, (view, at) => view.setUint32(at + 24, 1, true)), 'ERR_MODEL_FORMAT', /sizes/],
    [
      'with a wrong checksum',
      patched(CENTRAL, (view, at) => view.setUint32(at + 16, 1, true)),
      'ERR_MODEL_FORMAT',
      /checksum/,
    ],
    [
      'with a local header outside',
      patched(CENTRAL, (view, at) => view.setUint32(at + 42, 0x7fffffff, true)),
      'ERR_MODEL_FORMAT',
      /local header/,
    ],
    [
      'with a local name beyond the end',
      patched(LOCAL, (view, at) => view.setUint16(at + 28, 0xffff, true)),
      'ERR_MODEL_FORMAT',
      /outside|checksum/,
    ],
  ])('%s is refused', async (_, file, code, message) => {
    await expectRefusal(file, code, message);
  });

  it('from a big-endian machine is refused', async () => {
    const { entries, storages } = stateOf(model);
    const file = archive({ root: pickle.dict(entries), storages, extra: { byteorder: Buffer.from('big') } });
    await expectRefusal(file, 'ERR_UNSUPPORTED', /big-endian/);
  });

  it('whose weights have one bit flipped is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(stateOf(model).storages.get('0')!.length * 8 - 1), async (bit) => {
        const { storages } = stateOf(model);
        const start = Buffer.from(pth).indexOf(Buffer.from(storages.get('0')!));
        const copy = Uint8Array.from(pth);
        copy[start + (bit >> 3)]! ^= 1 << (bit & 7);
        await expectRefusal(copy, 'ERR_MODEL_FORMAT', /checksum/);
      }),
      { numRuns: 10 },
    );
  });
});

describe('a checkpoint', () => {
  const spoiled = (change: (entries: Map<string, Piece>) => void): Uint8Array => {
    const { entries, storages } = stateOf(model);
    change(entries);
    return archive({ root: pickle.dict(entries), storages });
  };
  it.each<[string, Uint8Array, RegExp]>([
    [
      'without a tensor',
      spoiled((entries) => entries.delete('features.3.block.1.1.running_var')),
      /features\.3\.block\.1\.1\.running_var/,
    ],
    [
      'with a misshaped tensor',
      spoiled((entries) => entries.set('classifier.0.bias', tensor({ key: '0', length: 216, shape: [216] }))),
      /classifier\.0\.bias.*\[216\]/,
    ],
    [
      'with a tensor too many',
      spoiled((entries) => entries.set('fc.weight', tensor({ key: '0', length: 216, shape: [216] }))),
      /fc\.weight/,
    ],
    [
      'with integers for weights',
      spoiled((entries) =>
        entries.set(
          'features.0.0.weight',
          tensor({ storage: 'IntStorage', key: '0', length: 216, shape: [8, 3, 3, 3] }),
        ),
      ),
      /floats for tensor features\.0\.0\.weight/,
    ],
    [
      'with the same tensor twice',
      spoiled((entries) =>
        entries.set('module.features.0.0.weight', tensor({ key: '0', length: 216, shape: [8, 3, 3, 3] })),
      ),
      /twice/,
    ],
    [
      'of another network',
      archive({
        root: pickle.dict([['conv1.weight', tensor({ key: '0', length: 4, shape: [4] })]]),
        storages: new Map(),
      }),
      /conv1\.weight/,
    ],
  ])('%s is refused, saying which', async (_, file, message) => {
    await expectRefusal(file, 'ERR_MODEL_ARCHITECTURE', message);
  });

  it.each([NaN, Infinity, -Infinity])('with a weight of %d is refused, saying where', async (value) => {
    const { entries, storages } = stateOf(model);
    const floats = new Float32Array(storages.get('0')!.slice().buffer);
    floats[9] = value;
    storages.set('0', new Uint8Array(floats.buffer));
    const file = archive({ root: pickle.dict(entries), storages });
    await expectRefusal(file, 'ERR_MODEL_ARCHITECTURE', /features\.0\.0\.weight is -?(NaN|Infinity) at index 9/);
  });
});

describe('a file of our own', () => {
  type Parts = { tensors: Map<string, Tensor>; metadata: Map<string, string> };

  /** `file` with something changed and the hash made right again. */
  function forged(file: Uint8Array, change: (parts: Parts) => void): Uint8Array {
    const container = parseSafetensors(file);
    const parts = { tensors: new Map(container.tensors), metadata: new Map(container.metadata) };
    change(parts);
    parts.metadata.set('sha256', contentHash(parts));
    return encodeSafetensors(parts);
  }
  const sparse = 'classifier.0.weight.bitmap';
  const change =
    (name: string, edit: (bytes: Uint8Array) => Uint8Array) =>
    ({ tensors }: Parts) => {
      const old = tensors.get(name)!;
      const bytes = edit(old.bytes.slice());
      tensors.set(name, { ...old, bytes, shape: [bytes.length / { F32: 4, U8: 1 }[old.dtype as 'F32' | 'U8']] });
    };
  const meta =
    (key: string, value: string | undefined) =>
    ({ metadata }: Parts) => {
      if (value === undefined) metadata.delete(key);
      else metadata.set(key, value);
    };
  const metaPart =
    (key: string, part: object) =>
    ({ metadata }: Parts) =>
      void metadata.set(key, JSON.stringify({ ...(JSON.parse(metadata.get(key)!) as object), ...part }));
  const firstNumber =
    (value: number) =>
    (bytes: Uint8Array): Uint8Array => {
      new DataView(bytes.buffer).setFloat32(0, value, true);
      return bytes;
    };
  const encodingsWith =
    (encoding: object) =>
    ({ metadata }: Parts) => {
      const encodings = JSON.parse(metadata.get('encodings')!) as Record<string, object>;
      metadata.set('encodings', JSON.stringify({ ...encodings, 'classifier.0.weight': encoding }));
    };
  const shape = [...[architecture.hidden, architecture.last]];

  it('is accepted when nothing was changed', async () => {
    await expect(readModel(forged(safetensors, () => undefined))).resolves.toMatchObject({ precision: 'fp32' });
    expect(parseSafetensors(safetensors).tensors.has(sparse)).toBe(true);
    expect(parseSafetensors(encodeModel(int8)).tensors.has('classifier.0.weight.deflate')).toBe(true);
  });

  it.each<[string, (parts: Parts) => void, ErrorCode, RegExp]>([
    [
      'a bit missing in a bitmap',
      change(sparse, (b) => b.fill(0, 0, 9)),
      'ERR_MODEL_FORMAT',
      /classifier\.0\.weight.*bits set/,
    ],
    ['a bitmap with more bits than values', change(sparse, (b) => b.fill(255)), 'ERR_MODEL_FORMAT', /bits set/],
    ['a bitmap too short', change(sparse, (b) => b.slice(1)), 'ERR_MODEL_FORMAT', /bitmap has the wrong length/],
    ['a value missing', change('classifier.0.weight.values', (b) => b.slice(4)), 'ERR_MODEL_FORMAT', /values/],
    [
      'no bitmap',
      ({ tensors }) => void tensors.delete(sparse),
      'ERR_MODEL_FORMAT',
      /classifier\.0\.weight\.bitmap is missing/,
    ],
    [
      'a bitmap for nothing',
      ({ tensors }) => void tensors.set('x.weight.bitmap', tensors.get(sparse)!),
      'ERR_MODEL_FORMAT',
      /belongs to no layer/,
    ],
    ['a NaN value', change('classifier.0.weight.values', firstNumber(NaN)), 'ERR_MODEL_ARCHITECTURE', /NaN/],
    ['a negative variance', change('features.0.1.running_var', firstNumber(-1)), 'ERR_MODEL_ARCHITECTURE', /negative/],
    [
      'both forms of a weight',
      ({ tensors }) => void tensors.set('classifier.0.weight', { dtype: 'F32', shape: [1], bytes: new Uint8Array(4) }),
      'ERR_MODEL_FORMAT',
      /both/,
    ],
    [
      'an encoding of another shape',
      encodingsWith({ coding: 'bitmap', dtype: 'F32', shape: [shape[0]! * 2, shape[1]! / 2] }),
      'ERR_MODEL_ARCHITECTURE',
      /classifier\.0/,
    ],
    [
      'an encoding of absurd size',
      encodingsWith({ coding: 'bitmap', dtype: 'F32', shape: [2 ** 40, 2] }),
      'ERR_MODEL_ARCHITECTURE',
      /classifier\.0/,
    ],
    ['an unknown encoding', encodingsWith({ coding: 'zstd', dtype: 'F32', shape }), 'ERR_MODEL_FORMAT', /encodings/],
    [
      'an encoding of the wrong type',
      encodingsWith({ coding: 'bitmap', dtype: 'F16', shape }),
      'ERR_MODEL_FORMAT',
      /dtype F32 instead of F16/,
    ],
    ['encodings that are no JSON', meta('encodings', '{'), 'ERR_MODEL_FORMAT', /encodings/],
    ['encodings that are null', meta('encodings', 'null'), 'ERR_MODEL_FORMAT', /encodings/],
    ['a newer version', meta('version', '2'), 'ERR_MODEL_FORMAT', /version 1 but it has 2/],
    ['no version', meta('version', undefined), 'ERR_MODEL_FORMAT', /version/],
    ['labels for other classes', meta('labels', '["a"]'), 'ERR_MODEL_FORMAT', /3 strings/],
    ['labels that are numbers', meta('labels', '[1,2,3]'), 'ERR_MODEL_FORMAT', /labels/],
    ['no labels', meta('labels', undefined), 'ERR_MODEL_FORMAT', /labels/],
    ['an unknown precision', meta('precision', 'int4'), 'ERR_MODEL_FORMAT', /precision/],
    ['a precision its weights do not have', meta('precision', 'int8-dynamic'), 'ERR_MODEL_FORMAT', /quantization/],
    [
      'an architecture that is not that of its tensors',
      metaPart('architecture', { hidden: 1 }),
      'ERR_MODEL_FORMAT',
      /architecture/,
    ],
    ['no preprocessing', meta('preprocessing', undefined), 'ERR_MODEL_FORMAT', /preprocessing/],
    ['a size of 0', metaPart('preprocessing', { size: [0, 224] }), 'ERR_MODEL_FORMAT', /preprocessing\.size/],
    ['a deviation of 0', metaPart('preprocessing', { std: [1, 0, 1] }), 'ERR_MODEL_FORMAT', /preprocessing\.std/],
    [
      'a mean that is no number',
      metaPart('preprocessing', { mean: [1, null, 1] }),
      'ERR_MODEL_FORMAT',
      /preprocessing\.mean/,
    ],
    ['confidence that is no object', meta('confidence', '0.5'), 'ERR_MODEL_FORMAT', /confidence/],
    ['a temperature of 0', meta('confidence', '{"temperature":0}'), 'ERR_MODEL_FORMAT', /confidence\.temperature/],
    ['a temperature beyond numbers', meta('confidence', '{"temperature":1e999}'), 'ERR_MODEL_FORMAT', /temperature/],
    ['no temperature', meta('confidence', '{"rejectBelow":0.5}'), 'ERR_MODEL_FORMAT', /confidence\.temperature/],
    [
      'a threshold of 1',
      meta('confidence', '{"temperature":1,"rejectBelow":1}'),
      'ERR_MODEL_FORMAT',
      /confidence\.rejectBelow/,
    ],
    ['provenance that is no list', meta('provenance', '{}'), 'ERR_MODEL_FORMAT', /provenance/],
    ['a step without a name', meta('provenance', '[{"details":{}}]'), 'ERR_MODEL_FORMAT', /provenance\[0\]/],
  ])('with %s is refused though its hash is right', async (_, spoil, code, message) => {
    await expectRefusal(forged(safetensors, spoil), code, message);
  });

  const quantizedFile = encodeModel(int8);
  const staticFile = encodeModel({
    ...int8,
    precision: 'int8-static',
    quantization: { mode: 'static', activations: 'qs8', values: new Map([['input', { scale: 0.5, zeroPoint: 1 }]]) },
  });
  const deflated = 'classifier.0.weight.deflate';
  const values = (entry: object) =>
    metaPart('quantization', { values: { input: { scale: 0.5, zeroPoint: 1, ...entry } } });
  it.each<[string, (parts: Parts) => void, ErrorCode, RegExp]>([
    ['a scale of 0', change('classifier.0.weight_scale', firstNumber(0)), 'ERR_MODEL_ARCHITECTURE', /scale 0/],
    [
      'a scale that is NaN',
      change('classifier.0.weight_scale', firstNumber(NaN)),
      'ERR_MODEL_ARCHITECTURE',
      /scale NaN/,
    ],
    [
      'too few scales',
      change('classifier.3.weight_scale', (b) => b.slice(4)),
      'ERR_MODEL_ARCHITECTURE',
      /2 scales instead of 1 or 3/,
    ],
    [
      'no scale',
      ({ tensors }) => void tensors.delete('classifier.0.weight_scale'),
      'ERR_MODEL_FORMAT',
      /weight_scale is missing/,
    ],
    [
      'a scale of another type',
      ({ tensors }) =>
        void tensors.set('classifier.0.weight_scale', { dtype: 'F64', shape: [1], bytes: new Uint8Array(8) }),
      'ERR_MODEL_FORMAT',
      /F64 instead of F32/,
    ],
    ['a deflate stream cut short', change(deflated, (b) => b.slice(0, b.length >> 1)), 'ERR_MODEL_FORMAT', /inflate/],
    ['a deflate stream of noise', change(deflated, (b) => b.fill(0xff)), 'ERR_MODEL_FORMAT', /inflate/],
    ['an empty deflate stream', change(deflated, () => new Uint8Array()), 'ERR_MODEL_FORMAT', /too short/],
    ['an unknown scope', metaPart('quantization', { scope: 'some' }), 'ERR_MODEL_FORMAT', /scope/],
    ['an unknown mode', metaPart('quantization', { mode: 'some' }), 'ERR_MODEL_FORMAT', /mode/],
  ])('(int8) with %s is refused though its hash is right', async (_, spoil, code, message) => {
    await expectRefusal(forged(quantizedFile, spoil), code, message);
  });

  it.each<[string, (parts: Parts) => void, RegExp]>([
    ['a scale of 0', values({ scale: 0 }), /values\.input\.scale/],
    ['a scale that is no number', values({ scale: '1' }), /values\.input\.scale/],
    ['a zero point out of range', values({ zeroPoint: 128 }), /values\.input\.zeroPoint/],
    ['a zero point that is not whole', values({ zeroPoint: 0.5 }), /values\.input\.zeroPoint/],
    ['activations of another type', metaPart('quantization', { activations: 'qs4' }), /activations/],
    ['no values', metaPart('quantization', { values: [] }), /values/],
  ])('(static) with %s is refused though its hash is right', async (_, spoil, message) => {
    await expectRefusal(forged(staticFile, spoil), 'ERR_MODEL_FORMAT', message);
  });

  it('with any bit of its tensors flipped is refused by its hash', async () => {
    const dataStart = 8 + Number(Buffer.from(safetensors).readBigUInt64LE());
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: dataStart, max: safetensors.length - 1 }), fc.nat(7), async (index, bit) => {
        const copy = Uint8Array.from(safetensors);
        copy[index]! ^= 1 << bit;
        await expectRefusal(copy, 'ERR_MODEL_FORMAT', /hash/);
      }),
      { numRuns: 40 },
    );
  });
});

describe('bytes changed at random', () => {
  const damage = fc.array(fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(255)), {
    minLength: 1,
    maxLength: 6,
  });

  /** Reading either works or is refused with a typed error. */
  async function survives(file: Uint8Array, range: [number, number], places: [number, number][]): Promise<void> {
    const copy = Uint8Array.from(file);
    for (const [place, value] of places) copy[Math.floor(range[0] + place * (range[1] - range[0]))] = value;
    const outcome: unknown = await readModel(copy).catch((error: unknown) => error);
    if (outcome instanceof Error) expect(outcome).toBeInstanceOf(NeonsenseError);
  }

  it('in the header of a safetensors file lead to a typed error or to nothing', async () => {
    const end = 8 + Number(Buffer.from(safetensors).readBigUInt64LE());
    await fc.assert(
      fc.asyncProperty(damage, (places) => survives(safetensors, [0, end], places)),
      { numRuns: 300 },
    );
  });

  it('in the pickle of a checkpoint lead to a typed error or to nothing', async () => {
    const { entries, storages } = stateOf(model);
    const root = pickle.dict(entries);
    await fc.assert(
      fc.asyncProperty(damage, async (places) => {
        const copy = Buffer.from(root);
        for (const [place, value] of places) copy[Math.floor(place * copy.length)] = value;
        const outcome: unknown = await readModel(archive({ root: copy, storages })).catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(NeonsenseError);
      }),
      { numRuns: 150 },
    );
  });

  it("in the directory of a checkpoint's zip lead to a typed error or to nothing", async () => {
    const start = Buffer.from(pth).indexOf(Buffer.from('PK\x01\x02'));
    await fc.assert(
      fc.asyncProperty(damage, (places) => survives(pth, [start, pth.length], places)),
      { numRuns: 200 },
    );
  });

  it('as a pickle of nothing but noise lead to a typed error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (noise) => {
        await refusal(archive({ root: Buffer.from(noise), storages: new Map() }));
      }),
      { numRuns: 200 },
    );
  });
});
