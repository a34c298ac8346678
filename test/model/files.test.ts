import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeModel, readModel, writeModel } from '../../lib/model/files.js';
import { foldModel } from '../../lib/model/foldBatchNorm.js';
import { encodeSafetensors, parseSafetensors } from '../../lib/model/format/safetensors.js';
import type { Layer, Model, Weights } from '../../lib/model/model.js';
import type { LayerSpec } from '../../lib/model/network.js';
import { layerSpecs } from '../../lib/model/network.js';
import { bitsOf } from '../bitsOf.js';
import fc from '../fastCheck.js';
import { randomModel } from '../randomModel.js';
import { describeShared } from '../shared.js';
import { torchvisionArchitecture } from '../torchvisionArchitecture.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'neonsense-format-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

const isPointwise = ({ kind, shape }: LayerSpec): boolean => kind === 'linear' || shape[2] === 1;
const staticValues = new Map([
  ['features.0.0', { scale: 0.1234567890123, zeroPoint: -128 }],
  ['logits', { scale: 5e-324, zeroPoint: 3 }],
]);

/** One model of each kind that a file can hold. */
const VARIANTS: Record<string, (seed: number, sparsity: number) => Model> = {
  fp32: (seed, sparsity) => randomModel({ classes: 4, seed, sparsity }),
  'fp32, folded': (seed, sparsity) => randomModel({ classes: 4, seed, sparsity, folded: true }),
  fp16: (seed, sparsity) => ({
    ...randomModel({ classes: 4, seed, sparsity, folded: true, weightType: () => 'f16' }),
    precision: 'fp16',
  }),
  'int8-dynamic': (seed, sparsity) => ({
    ...randomModel({
      classes: 4,
      seed,
      sparsity,
      folded: true,
      weightType: (spec) => (isPointwise(spec) ? 'i8' : 'f32'),
    }),
    precision: 'int8-dynamic',
    quantization: { mode: 'dynamic', scope: 'all' },
  }),
  'int8-static, qs8': (seed, sparsity) => ({
    ...randomModel({ classes: 4, seed, sparsity, folded: true, weightType: () => 'i8' }),
    precision: 'int8-static',
    quantization: { mode: 'static', activations: 'qs8', values: staticValues },
  }),
  'int8-static, qu8': (seed, sparsity) => ({
    ...randomModel({ classes: 4, seed, sparsity, folded: true, weightType: () => 'u8' }),
    precision: 'int8-static',
    quantization: {
      mode: 'static',
      activations: 'qu8',
      values: new Map([['input', { scale: 1 / 3, zeroPoint: 255 }]]),
    },
  }),
};

describe('a model file', () => {
  it.each(Object.entries(VARIANTS))('holds every bit of an %s model', async (_, make) => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.constantFrom(0, 0.3, 0.8, 1), async (seed, sparsity) => {
        const model = make(seed, sparsity);
        const encoded = encodeModel(model);
        expect(bitsOf(await readModel(encoded))).toEqual(bitsOf(model));
        expect(Buffer.compare(encodeModel(await readModel(encoded)), encoded)).toBe(0);
      }),
      { numRuns: 4 },
    );
  });

  it('keeps negative zeros and subnormal numbers', async () => {
    const model = VARIANTS['fp32']!(3, 0.9);
    const data = (model.layers.get('classifier.0')!.weights as Weights & { type: 'f32' }).data;
    data.set([-0, 1e-45, -1e-45, 3.4e38]);
    expect(bitsOf(await readModel(encodeModel(model)))).toEqual(bitsOf(model));
  });

  it('grows smaller as weights become zero', () => {
    for (const make of Object.values(VARIANTS).slice(0, 5)) {
      const [dense, sparse, empty] = [0, 0.5, 0.9].map((sparsity) => encodeModel(make(1, sparsity)).length) as [
        number,
        number,
        number,
      ];
      expect(sparse).toBeLessThan(dense);
      expect(empty).toBeLessThan(sparse);
    }
  });

  it.each([
    undefined,
    { temperature: 0.6180339887498949 },
    { temperature: 3, rejectBelow: 0 },
    { temperature: 1, rejectBelow: 0.35 },
    { temperature: 1, rejectBelow: 0.35, rejectClass: randomModel({ classes: 4 }).labels[2]! },
  ])('keeps %j as what is said about probabilities', async (confidence) => {
    const model = { ...randomModel({ classes: 4 }), ...(confidence === undefined ? {} : { confidence }) };
    const read = await readModel(encodeModel(model));
    expect(read.confidence).toEqual(confidence);
    expect('confidence' in read).toBe(confidence !== undefined);
  });

  it.each([
    [{ temperature: 0 }, /temperature/],
    [{ temperature: Number.NaN }, /temperature/],
    [{ temperature: Infinity }, /temperature/],
    [{ temperature: '1' as unknown as number }, /temperature/],
    [{ temperature: 1, rejectBelow: 1 }, /rejectBelow/],
    [{ temperature: 1, rejectBelow: -0.1 }, /rejectBelow/],
    [{ temperature: 1, rejectAbove: 0.1 }, /rejectAbove/],
    [{ temperature: 1, rejectClass: 'no label of the model' }, /rejectClass/],
    [{ temperature: 1, rejectClass: 2 as unknown as string }, /rejectClass/],
  ])('is not written where probabilities are said to be %j', (confidence, message) => {
    expect(() => encodeModel({ ...randomModel({ classes: 4 }), confidence })).toThrow(
      expect.objectContaining({ code: 'ERR_MODEL_FORMAT', message: expect.stringMatching(message) as string }),
    );
  });

  it('keeps names and labels of any language', async () => {
    const labels = ['椅子', 'Stuhl "Ä"\\', '\u0000\n', '🪑'];
    const model = {
      ...randomModel({ classes: 4 }),
      labels,
      provenance: [{ step: 'é', details: { note: '"\\\u2028' } }],
    };
    expect(await readModel(encodeModel(model))).toMatchObject({ labels, provenance: model.provenance });
  });

  it('views plain float32 tensors in place instead of copying them', async () => {
    const model = await readModel(encodeModel(randomModel({ classes: 4 })));
    const buffers = new Set([...model.layers.values()].map(({ weights }) => weights.data.buffer));
    expect(buffers.size).toBe(1);
  });

  it('does not change when the bytes it was read from do', async () => {
    const bytes = encodeModel(randomModel({ classes: 4 }));
    const model = await readModel(bytes);
    const before = bitsOf(model);
    bytes.fill(0xff);
    expect(bitsOf(model)).toEqual(before);
  });

  // A header's length comes first in a file. Zip archives begin with PK as well.
  it.each([84_816, 150_352])('is read with a header of %d bytes, which begins with PK', async (wanted) => {
    const named = (length: number): Model => {
      const model = randomModel({ classes: 2 });
      return { ...model, labels: ['x'.repeat(length), 'y'] };
    };
    const headerOf = (bytes: Uint8Array): number =>
      Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    const model = named(1 + wanted - headerOf(encodeModel(named(1))));
    const bytes = encodeModel(model);
    expect(Buffer.from(bytes.subarray(0, 2)).toString()).toBe('PK');
    expect((await readModel(bytes)).labels).toEqual(model.labels);
  });

  it('is read at any place in a larger buffer', async () => {
    const encoded = encodeModel(randomModel({ classes: 4 }));
    const shifted = new Uint8Array(encoded.length + 3).subarray(3);
    shifted.set(encoded);
    expect(bitsOf(await readModel(shifted))).toEqual(bitsOf(randomModel({ classes: 4 })));
  });
});

describe('readModel', () => {
  it('replaces labels and preprocessing by those given', async () => {
    const preprocessing = { reduce: [8, 9], size: [96, 128], mean: [0, 0, 0], std: [1, 1, 1] } as const;
    const labels = ['a', 'b', 'c', 'd'];
    const read = await readModel(encodeModel(randomModel({ classes: 4 })), { labels, preprocessing });
    expect(read).toMatchObject({ labels, preprocessing });
  });

  it.each([
    [{ labels: ['a'] }, /4 labels/],
    [{ labels: 'abcd' as unknown as string[] }, /options\.labels/],
    [
      { preprocessing: { reduce: [1, 1], size: [0, 1], mean: [0, 0, 0], std: [1, 1, 1] } as never },
      /options\.preprocessing/,
    ],
    [
      { preprocessing: { reduce: [1, 1], size: [1, 1], mean: [0, 0, 0], std: [1, 0, 1] } as never },
      /options\.preprocessing/,
    ],
  ])('refuses the options %j', async (options, message) => {
    const error = await readModel(encodeModel(randomModel({ classes: 4 })), options).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'NeonsenseError', code: 'ERR_INVALID_ARGUMENT' });
    expect((error as Error).message).toMatch(message);
  });

  it("reads torchvision's tensors from a plain safetensors file, of any float type and with a prefix", async () => {
    const model = randomModel({ classes: 4 });
    const { tensors } = parseSafetensors(encodeModel(model));
    const prefixed = new Map([...tensors].map(([name, tensor]) => [`module.${name}`, tensor]));
    prefixed.set('module.features.0.1.num_batches_tracked', { dtype: 'I64', shape: [], bytes: new Uint8Array(8) });
    const read = await readModel(encodeSafetensors({ tensors: prefixed, metadata: new Map([['format', 'pt']]) }));
    expect(bitsOf({ ...read, ...{ labels: [], provenance: [], preprocessing: model.preprocessing } })).toEqual(
      bitsOf({ ...model, labels: [], provenance: [] }),
    );
    expect(read.labels).toEqual(['class 0', 'class 1', 'class 2', 'class 3']);
    expect(read.preprocessing).toMatchObject({ reduce: [224, 224], size: [224, 224], mean: [0.485, 0.456, 0.406] });

    const bias = new Map(tensors).set('classifier.3.bias', {
      dtype: 'BF16',
      shape: [4],
      bytes: new Uint8Array(Uint16Array.of(0x3f80, 0xc000, 0, 0x7f7f).buffer),
    });
    bias.set('classifier.0.bias', doubles(model.layers.get('classifier.0')!.bias!));
    const mixed = await readModel(encodeSafetensors({ tensors: bias, metadata: new Map() }));
    expect([...mixed.layers.get('classifier.3')!.bias!]).toEqual([1, -2, 0, 3.3895313892515355e38]);
    expect(mixed.layers.get('classifier.0')!.bias).toEqual(model.layers.get('classifier.0')!.bias);
  });
});

function doubles(values: Float32Array): { dtype: 'F64'; shape: number[]; bytes: Uint8Array } {
  return { dtype: 'F64', shape: [values.length], bytes: new Uint8Array(Float64Array.from(values).buffer) };
}

describe('writeModel', () => {
  it('writes the file and says how long it is', async () => {
    const path = join(directory, 'model.safetensors');
    const { bytes } = await writeModel(randomModel({ classes: 4 }), path);
    expect((await readFile(path)).length).toBe(bytes);
    expect(bitsOf(await readModel(path))).toEqual(bitsOf(randomModel({ classes: 4 })));
    await writeModel(randomModel({ classes: 4, seed: 2 }), path);
    expect(bitsOf(await readModel(path))).toEqual(bitsOf(randomModel({ classes: 4, seed: 2 })));
    expect(await readdir(directory)).toEqual(['model.safetensors']);
  });

  it('leaves nothing behind when it cannot write', async () => {
    const absent = join(directory, 'absent', 'model.safetensors');
    await expect(writeModel(randomModel({ classes: 4 }), absent)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    const inner = join(directory, 'model.safetensors', 'x');
    await writeFile(join(directory, 'model.safetensors'), 'x');
    await expect(writeModel(randomModel({ classes: 4 }), inner)).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(writeModel(randomModel({ classes: 4 }), directory)).rejects.toMatchObject({ code: 'ERR_IO' });
    expect(await readdir(directory)).toEqual(['model.safetensors']);
  });

  const layerOf =
    (change: (layer: Layer) => Partial<Layer>) =>
    (model: Model): Model => {
      const layers = new Map(model.layers);
      const layer = layers.get('features.0.0')!;
      layers.set('features.0.0', { ...layer, ...change(layer) });
      return { ...model, layers };
    };
  const f32 = (data: Float32Array): Partial<Layer> => ({ weights: { type: 'f32', data } });
  const statistics = (change: object) => layerOf(({ batchNorm }) => ({ batchNorm: { ...batchNorm!, ...change } }));
  it.each<[string, (model: Model) => Model, RegExp]>([
    [
      'a NaN weight',
      layerOf(({ weights }) => f32(Float32Array.from(weights.data).fill(NaN, 5, 6))),
      /features\.0\.0\.weight is NaN at index 5/,
    ],
    [
      'an infinite weight',
      layerOf(({ weights }) => f32(Float32Array.from(weights.data).fill(-Infinity, 0, 1))),
      /-Infinity/,
    ],
    [
      'a weight too few',
      layerOf(({ weights }) => f32(Float32Array.from(weights.data).subarray(1))),
      /215 elements instead of 216/,
    ],
    ['a negative variance', statistics({ variance: new Float32Array(8).fill(-1) }), /running_var is negative/],
    ['a short batch norm', statistics({ mean: new Float32Array(7) }), /running_mean has 7/],
    ['a bias beside a batch norm', layerOf(() => ({ bias: new Float32Array(8) })), /either/],
    ['a label too many', (model) => ({ ...model, labels: [...model.labels, 'x'] }), /5 labels for 4 classes/],
    [
      'int8 weights in an fp32 model',
      layerOf(() => ({ weights: { type: 'i8', data: new Int8Array(216), scales: Float32Array.of(1) } })),
      /i8/,
    ],
    [
      'a layer missing',
      (model) => ({ ...model, layers: new Map([...model.layers].slice(1)) }),
      /features\.0\.0 is missing/,
    ],
    [
      'quantization that does not fit the precision',
      (model) => ({ ...model, quantization: { mode: 'dynamic', scope: 'all' } }),
      /quantization/,
    ],
    [
      'an architecture its tensors do not make up',
      (model) => ({ ...model, architecture: { ...model.architecture, classes: 5 } }),
      /./,
    ],
  ])('refuses %s', (_, spoil, message) => {
    expect(() => encodeModel(spoil(randomModel({ classes: 4 })))).toThrowError(message);
    expect(() => encodeModel(spoil(randomModel({ classes: 4 })))).toThrowError(
      expect.objectContaining({ name: 'NeonsenseError' }),
    );
  });

  it.each([0, -1, NaN, Infinity])('refuses the scale %d', (scale) => {
    for (const weights of [
      { type: 'i8', data: new Int8Array(216), scales: new Float32Array(8).fill(scale, 7) },
      { type: 'u8', data: new Uint8Array(216), scale, zeroPoint: 0 },
    ] as Weights[]) {
      const model = layerOf(() => ({ weights }))(VARIANTS['int8-dynamic']!(1, 0));
      expect(() => encodeModel(model)).toThrowError(/features\.0\.0\.weight has the scale/);
    }
  });
});

describeShared('the household network', (shared) => {
  const MIB = 2 ** 20;
  let model: Model;
  beforeAll(async () => {
    model = await readModel(join(shared, 'checkpoints', 'household-first.pth'));
  });

  /** Zeroes the smallest weights of each layer. */
  function pruned(amount: number): Model {
    const layers = [...model.layers].map(([name, layer]): [string, Layer] => {
      const data = Float32Array.from(layer.weights.data);
      const limit = Float32Array.from(data, Math.abs).sort()[Math.round(amount * data.length)]!;
      return [name, { ...layer, weights: { type: 'f32', data: data.map((w) => (Math.abs(w) < limit ? 0 : w)) } }];
    });
    return { ...model, layers: new Map(layers) };
  }

  function quantized(source: Model, selects: (spec: LayerSpec) => boolean): Model {
    const layers = new Map(source.layers);
    for (const spec of layerSpecs(source.architecture).filter(selects)) {
      const layer = layers.get(spec.name)!;
      const real = Float32Array.from(layer.weights.data);
      const channels = spec.shape[0]!;
      const row = real.length / channels;
      const scales = Float32Array.from({ length: channels }, (_, channel) => {
        const magnitudes = real.subarray(channel * row, (channel + 1) * row).map(Math.abs);
        return magnitudes.reduce((a, b) => Math.max(a, b), 0) / 127 || 1;
      });
      const data = Int8Array.from(real, (w, i) => Math.round(w / scales[Math.floor(i / row)]!));
      layers.set(spec.name, { ...layer, weights: { type: 'i8', data, scales } });
    }
    return { ...source, layers, precision: 'int8-dynamic', quantization: { mode: 'dynamic', scope: 'all' } };
  }

  it.each<[string, number, () => Model]>([
    ['30 % pruned, fp32', 4.5, () => pruned(0.3)],
    ['int8 linear layers', 4.3, () => quantized(model, ({ kind }) => kind === 'linear')],
    ['int8 on every 1x1 convolution', 1.65, () => quantized(foldModel(model), isPointwise)],
    ['30 % pruned and int8', 1.3, () => quantized(foldModel(pruned(0.3)), isPointwise)],
  ])('%s needs at most %f MiB', async (_, most, make) => {
    const variant = make();
    const encoded = encodeModel(variant);
    expect(encoded.length / MIB).toBeLessThanOrEqual(most);
    expect(bitsOf(await readModel(encoded))).toEqual(bitsOf(variant));
  });
});

/** A Python with `modules`, if there is one. */
function pythonWith(modules: string): string | undefined {
  return [process.env['NEONSENSE_PYTHON'], 'python3', '/usr/bin/python3'].find((python) => {
    if (python === undefined) return false;
    try {
      execFileSync(python, ['-c', `import ${modules}`], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

const python = pythonWith('safetensors, numpy');
describe.skipIf(python === undefined)('Python (skipped where safetensors and numpy are not installed)', () => {
  // What docs/model-format.md tells a Python reader to do.
  const script = `
import hashlib, json, sys, zlib
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

path = sys.argv[1]
tensors = load_file(path)
with safe_open(path, 'np') as file:
    metadata = file.metadata()

def compact(value):
    return (json.dumps(value, ensure_ascii=False, separators=(',', ':')) + '\\n').encode()

names = {'float64': 'F64', 'float32': 'F32', 'float16': 'F16', 'int8': 'I8', 'uint8': 'U8'}
digest = hashlib.sha256()
for key in sorted(metadata):
    if key != 'sha256':
        digest.update(compact([key, metadata[key]]))
for name in sorted(tensors):
    tensor = tensors[name]
    digest.update(compact([name, names[str(tensor.dtype)], list(tensor.shape)]))
    digest.update(tensor.tobytes())
assert digest.hexdigest() == metadata['sha256'], 'hash'

for name, encoding in json.loads(metadata.get('encodings', '{}')).items():
    dtype = {'F32': np.float32, 'F16': np.float16, 'I8': np.int8, 'U8': np.uint8}[encoding['dtype']]
    if encoding['coding'] == 'bitmap':
        weight = np.zeros(int(np.prod(encoding['shape'])), dtype)
        kept = np.unpackbits(tensors.pop(name + '.bitmap'), bitorder='little')[:weight.size].astype(bool)
        weight[kept] = tensors.pop(name + '.values')
    else:
        weight = np.frombuffer(zlib.decompress(tensors.pop(name + '.deflate'), wbits=-15), dtype)
    tensors[name] = weight.reshape(encoding['shape'])
print(json.dumps({name: [list(t.shape), hashlib.sha256(t.tobytes()).hexdigest()] for name, t in tensors.items()}))
`;

  it.each(Object.entries(VARIANTS))('reads an %s model', async (_, make) => {
    const model = make(9, 0.6);
    const path = join(directory, 'python.safetensors');
    await writeModel(model, path);
    const read = JSON.parse(execFileSync(python!, ['-c', script, path], { encoding: 'utf8' })) as Record<
      string,
      [number[], string]
    >;
    for (const { name, shape } of layerSpecs(model.architecture)) {
      const { data } = model.layers.get(name)!.weights;
      const digest = createHash('sha256')
        .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
        .digest('hex');
      expect(read[`${name}.weight`]).toEqual([shape, digest]);
    }
    await rm(path);
  });
});

it("writes torchvision's own tensor names for an uncompressed model", () => {
  const { tensors } = parseSafetensors(encodeModel(randomModel({ classes: 4 })));
  const expected = layerSpecs(torchvisionArchitecture('mobilenet_v3_small', { width: 0.25, classes: 4 })).flatMap(
    ({ name, batchNorm }) => [
      `${name}.weight`,
      ...(batchNorm === undefined
        ? [`${name}.bias`]
        : ['weight', 'bias', 'running_mean', 'running_var'].map((part) => `${batchNorm}.${part}`)),
    ],
  );
  expect([...tensors.keys()].sort()).toEqual(expected.sort());
});
