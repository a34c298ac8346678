// Small files that ask for much: each is refused, naming the limit it exceeds, long before it takes that much.
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Limits } from '../../lib/files/limits.js';
import { encodeModel, readModel } from '../../lib/model/files.js';
import { contentHash } from '../../lib/model/format/contentHash.js';
import type { Tensor } from '../../lib/model/format/safetensors.js';
import { encodeSafetensors, parseSafetensors } from '../../lib/model/format/safetensors.js';
import type { ProvenanceStep } from '../../lib/model/model.js';
import type { Piece } from '../model/import/torch/checkpoint.js';
import { archive, pickle, stateDictFile, stateOf } from '../model/import/torch/checkpoint.js';
import { randomModel } from '../randomModel.js';
import { torchvisionArchitecture } from '../torchvisionArchitecture.js';

const architecture = torchvisionArchitecture('mobilenet_v3_small', { width: 0.1, classes: 3 });
const model = randomModel({ architecture });

async function expectLimit(file: Uint8Array, limit: keyof Limits, limits: Limits = {}): Promise<void> {
  await expect(readModel(file, { limits })).rejects.toMatchObject({
    code: 'ERR_MODEL_FORMAT',
    message: expect.stringContaining(`limits.${limit}`),
  });
}

function bomb(root: Piece, storages = new Map<string, Uint8Array>()): Uint8Array {
  return archive({ root, storages }, { level: 6 });
}

const repeated = (piece: Piece, times: number): Buffer => Buffer.concat(new Array<Buffer>(times).fill(piece));

describe('a pickle', () => {
  it.each<[string, Piece, keyof Limits]>([
    [
      'makes millions of dicts',
      Buffer.concat([Buffer.from(']('), Buffer.alloc(5_000_000, '}'), Buffer.from('e')]),
      'objects',
    ],
    [
      'is longer than any',
      repeated(Buffer.concat([Buffer.from([0x8a, 255]), Buffer.alloc(255, 7), Buffer.from('0')]), 70_000),
      'headerBytes',
    ],
    [
      'makes and drops long integers',
      repeated(Buffer.from([0x8a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x30]), 1_000_000),
      'work',
    ],
    [
      'holds many texts',
      Buffer.concat([Buffer.from(']('), repeated(pickle.text('x'), 400_000), Buffer.from('e')]),
      'objects',
    ],
    [
      'recalls one value for ever',
      Buffer.concat([Buffer.from(']q\x00('), repeated(Buffer.from('h\x00'), 1_500_000), Buffer.from('e')]),
      'work',
    ],
    [
      'fills dicts with numbers',
      Buffer.concat([
        Buffer.from('}('),
        ...Array.from({ length: 300_000 }, (_, i) => Buffer.concat([pickle.integer(i), pickle.none])),
        Buffer.from('u'),
      ]),
      'objects',
    ],
  ])('that %s', async (_, root, limit) => {
    await expectLimit(bomb(root), limit);
  });

  it('that doubles a tuple at each step is a small graph, and seen as one', async () => {
    const double = Buffer.from([0x32, 0x86]);
    await expect(readModel(bomb(Buffer.concat([pickle.dict([]), repeated(double, 5000)])))).rejects.toMatchObject({
      message: expect.stringMatching(/a tuple without tensors/),
    });
  });

  it('that nests dicts deeper than any stack', async () => {
    // Each dict is made first, then put into the one before, from the inside out.
    const depth = 50_000;
    const root = Buffer.concat([
      repeated(Buffer.concat([Buffer.from('}'), pickle.integer(1)]), depth),
      pickle.none,
      Buffer.alloc(depth, 's'),
    ]);
    await expect(readModel(bomb(root))).rejects.toMatchObject({
      message: expect.stringMatching(/a dict without tensors/),
    });
  });

  it('that gives one long shape to many tensors', async () => {
    const shape = Buffer.concat([Buffer.from('('), Buffer.alloc(100_000, 0x4e), Buffer.from('tq\x00')]);
    const again = Buffer.concat([
      pickle.global('torch._utils', '_rebuild_tensor'),
      Buffer.from('('),
      pickle.none,
      Buffer.from('h\x00h\x00h\x00tR'),
    ]);
    await expect(readModel(bomb(Buffer.concat([shape, repeated(again, 10_000)])))).rejects.toMatchObject({
      code: 'ERR_MODEL_FORMAT',
    });
  });

  it('that copies one list into many dicts', async () => {
    const pairs = Buffer.concat([
      Buffer.from(']('),
      repeated(Buffer.concat([pickle.integer(1), pickle.none, Buffer.from([0x86])]), 10_000),
      Buffer.from('eq\x00'),
    ]);
    const copy = Buffer.concat([pickle.global('collections', 'OrderedDict'), Buffer.from([0x68, 0, 0x85, 0x52, 0x30])]);
    await expectLimit(bomb(Buffer.concat([pairs, repeated(copy, 1000)])), 'objects');
  });

  it('that holds more networks than anybody saves together', async () => {
    const { entries, storages } = stateOf(model);
    const first = entries.get('features.0.0.weight')!;
    const root = pickle.dict(Array.from({ length: 1000 }, (_, i) => [`n${i}.features.0.0.weight`, first] as const));
    await expect(readModel(bomb(root, storages))).rejects.toMatchObject({
      code: 'ERR_MODEL_ARCHITECTURE',
      message: expect.stringMatching(/1000 networks/),
    });
  });
});

describe('a module tree', () => {
  it('deeper than any network', async () => {
    let node = pickle.instance(pickle.global('__torch__.M', 'M'), pickle.dict([]));
    for (let level = 0; level < 200; level++)
      node = pickle.instance(pickle.global('__torch__.M', 'M'), pickle.dict([['a', node]]));
    await expectLimit(bomb(node), 'depth');
  });
});

describe('a deflated storage', () => {
  it('that unpacks to another size than its tensor has', async () => {
    const { entries, storages } = stateOf(model);
    storages.set('0', new Uint8Array(200_000_000));
    await expect(readModel(bomb(pickle.dict(entries), storages))).rejects.toMatchObject({
      code: 'ERR_MODEL_FORMAT',
      message: expect.stringMatching(/storage 0 has 200000000 bytes/),
    });
  });

  it('that unpacks to more than is allowed', async () => {
    await expectLimit(bomb(pickle.dict(stateOf(model).entries), stateOf(model).storages), 'inflatedBytes', {
      inflatedBytes: 1000,
      headerBytes: 1e6,
    });
  });
});

describe('weights', () => {
  it('larger than allowed, though each fits its file', async () => {
    await expectLimit(stateDictFile(model), 'tensorBytes', { tensorBytes: 100_000 });
    await expectLimit(encodeModel(model), 'tensorBytes', { tensorBytes: 100_000 });
  });
});

describe('a file', () => {
  it('larger than allowed', async () => {
    await expectLimit(stateDictFile(model), 'fileBytes', { fileBytes: 1000 });
  });
});

describe('a file of our own', () => {
  /** `model`'s file with some metadata replaced and the hash made right again. */
  function forged(metadata: Record<string, string>, tensors = new Map<string, Tensor>()): Uint8Array {
    const container = parseSafetensors(encodeModel(model));
    const parts = {
      tensors: new Map([...container.tensors, ...tensors]),
      metadata: new Map([...container.metadata, ...Object.entries(metadata)]),
    };
    parts.metadata.set('sha256', contentHash(parts));
    return encodeSafetensors(parts);
  }
  const preprocessing = (sides: { reduce?: number[]; size?: number[] }): Uint8Array =>
    forged({
      preprocessing: JSON.stringify({ reduce: [32, 32], size: [32, 32], mean: [0, 0, 0], std: [1, 1, 1], ...sides }),
    });

  it('that asks for a huge input', async () => {
    await expectLimit(preprocessing({ size: [9400, 9400] }), 'inputSide');
    await expectLimit(preprocessing({ size: [1, 2049] }), 'inputSide');
    await expectLimit(preprocessing({ reduce: [9400, 1] }), 'inputSide');
    expect((await readModel(preprocessing({ size: [2048, 2048] }))).preprocessing.size).toEqual([2048, 2048]);
    const { preprocessing: raised } = await readModel(preprocessing({ size: [1, 9400] }), {
      limits: { inputSide: 9400 },
    });
    expect(raised.size).toEqual([1, 9400]);
  });

  it.each(['provenance', 'labels', 'architecture', 'quantization', 'confidence', 'encodings'])(
    'that nests its %s deeply',
    async (key) => {
      await expectLimit(forged({ [key]: '['.repeat(20_000) + ']'.repeat(20_000) }), 'depth');
    },
  );

  it('that makes a million values of its header', async () => {
    await expectLimit(forged({ provenance: `[${'[],'.repeat(1_000_000)}[]]` }), 'objects');
  });

  it('whose coded weights are said to be larger than they can be', async () => {
    const bytes = deflateRawSync(new Uint8Array(10));
    const tensors = new Map<string, Tensor>([
      ['classifier.0.weight.deflate', { dtype: 'U8', shape: [bytes.length], bytes }],
    ]);
    const encodings = JSON.stringify({
      'classifier.0.weight': { coding: 'deflate', dtype: 'I8', shape: [60_000, 60_000] },
    });
    await expect(readModel(forged({ encodings }, tensors))).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_MODEL_/),
    });
  });
});

describe('a header', () => {
  const header = (json: string): Uint8Array => {
    const text = Buffer.from(json);
    const length = Buffer.alloc(8);
    length.writeUInt32LE(text.length);
    return Buffer.concat([length, text]);
  };

  it('nested deeper than any stack', async () => {
    await expectLimit(header(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`), 'depth');
  });

  it('of many small values', async () => {
    await expectLimit(header(`{"a":[${'1,'.repeat(300_000)}1]}`), 'objects');
  });

  it('with strings that never end, or hold brackets', async () => {
    await expect(readModel(header('{"a":"[[[[[[\\"'))).rejects.toMatchObject({
      code: 'ERR_MODEL_FORMAT',
      message: expect.stringMatching(/not JSON/),
    });
    await expect(readModel(header(`{"${'['.repeat(1000)}":{}}`))).rejects.toMatchObject({
      message: expect.stringMatching(/unknown dtype/),
    });
  });
});

describe('a model that could not be read back', () => {
  const nested = (depth: number): unknown => Array.from({ length: depth }).reduce<unknown>((inner) => [inner], 1);
  const withDetails = (details: unknown): typeof model => ({
    ...model,
    provenance: [{ step: 'x', details } as ProvenanceStep],
  });
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;

  it.each<[string, unknown, RegExp]>([
    ['nests its provenance deeply', { a: nested(70) }, /`model\.provenance` is nested too deeply/],
    ['nests it deeper than any stack', { a: nested(100_000) }, /`model\.provenance` is nested too deeply/],
    ['holds itself', cyclic, /`model\.provenance` is nested too deeply/],
    ['holds a BigInt', { a: 1n }, /`model\.provenance` holds a BigInt/],
    ['holds an array of numbers', { a: new Float32Array(3) }, /holds Float32Array of length 3/],
    ['holds too many values', { a: new Array<number>(300_000).fill(0) }, /too many values/],
  ])('because it %s is not written', (_, details, message) => {
    expect(() => encodeModel(withDetails(details))).toThrow(
      expect.objectContaining({ code: 'ERR_MODEL_FORMAT', message: expect.stringMatching(message) }),
    );
  });

  it('just within the limits is written and read', async () => {
    const { provenance } = await readModel(encodeModel(withDetails({ a: nested(60) })));
    expect(provenance[0]!.details).toEqual({ a: nested(60) });
  });
});
