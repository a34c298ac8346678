// Networks other than torchvision's, from file to logits: padding, epsilon and head at once.
import { describe, expect, it } from 'vitest';
import { toFp16 } from '../../lib/compress/stages/fp16.js';
import { prune } from '../../lib/compress/stages/prune.js';
import { quantizeDynamic } from '../../lib/compress/stages/quantizeDynamic.js';
import { quantizeStatic } from '../../lib/compress/stages/quantizeStatic.js';
import { recalibrate } from '../../lib/compress/stages/recalibrate.js';
import { reconstruct } from '../../lib/compress/stages/reconstruct.js';
import type { Conventions } from '../../lib/model/architecture.js';
import { toOnnx } from '../../lib/model/export/onnx.js';
import { encodeModel, readModel } from '../../lib/model/files.js';
import { foldModel } from '../../lib/model/foldBatchNorm.js';
import { inspectModel } from '../../lib/model/inspect.js';
import type { Model } from '../../lib/model/model.js';
import { layerSpecs } from '../../lib/model/network.js';
import { toFloat32 } from '../../lib/model/weights.js';
import { observe, pictures, plainArchitecture, relativeError, runModel, throughFile } from '../compress/running.js';
import { randomImages, randomModel } from '../randomModel.js';
import { type ReferenceTensor, referenceForward } from '../reference/forward.js';
import { readOnnx, runOnnx } from '../reference/onnx.js';

const SAME = { padding: 'same', batchNormEpsilon: 1e-5 } as const;
const CASES: readonly (readonly [string, { hidden?: number; classes?: number; conventions?: Conventions }])[] = [
  ["TensorFlow's padding, another epsilon and a single Linear", { hidden: 0, conventions: SAME }],
  ["TensorFlow's padding and a hidden layer", { hidden: 40, conventions: { padding: 'same' } }],
  ["torchvision's padding, timm's epsilon", { conventions: { batchNormEpsilon: 1e-5 } }],
  ['features alone', { hidden: 0, classes: 0, conventions: SAME }],
];

/** A random model whose batch norms have channels of so little variance that epsilon counts. */
function variant(options: (typeof CASES)[number][1], size: readonly [number, number] = [64, 64]): Model {
  const model = plainArchitecture(randomModel(options));
  const layers = new Map(
    [...model.layers].map(([name, layer]) => {
      if (layer.batchNorm === undefined) return [name, layer];
      const variance = layer.batchNorm.variance.map((value, c) => (c % 4 === 0 ? 1e-3 : value));
      const weight = layer.batchNorm.weight.map((value, c) => (c % 4 === 0 ? value / 20 : value));
      return [name, { ...layer, batchNorm: { ...layer.batchNorm, variance, weight } }];
    }),
  );
  return { ...model, layers, preprocessing: { ...model.preprocessing, size } };
}

function stateOf(model: Model): Map<string, ReferenceTensor> {
  const state = new Map<string, ReferenceTensor>();
  for (const { name, shape, batchNorm } of layerSpecs(model.architecture)) {
    const layer = model.layers.get(name)!;
    state.set(`${name}.weight`, { shape, data: toFloat32(layer.weights) });
    if (layer.bias !== undefined) state.set(`${name}.bias`, { shape: [shape[0]!], data: layer.bias });
    if (layer.batchNorm === undefined) continue;
    const { weight, bias, mean, variance } = layer.batchNorm;
    const parts = { weight, bias, running_mean: mean, running_var: variance };
    for (const [part, data] of Object.entries(parts)) state.set(`${batchNorm}.${part}`, { shape: [shape[0]!], data });
  }
  return state;
}

function expected(model: Model, input: Float32Array): Float32Array {
  const { padding, batchNormEpsilon } = model.architecture;
  const conventions = {
    ...(padding === undefined ? {} : { padding }),
    ...(batchNormEpsilon === undefined ? {} : { epsilon: batchNormEpsilon }),
  };
  const [height, width] = model.preprocessing.size;
  const shape = [input.length / (height * width * 3), height, width, 3] as const;
  return Float32Array.from(referenceForward(stateOf(model), input, shape, () => {}, conventions));
}

describe.each(CASES)('a network with %s', (_, options) => {
  const model = variant(options);
  const input = randomImages(model, 2);

  it.each([
    [64, 64],
    [61, 90],
    [32, 47],
  ] as const)('gives what the reference gives for pictures of %i x %i', async (...size) => {
    const sized = variant(options, size);
    const images = randomImages(sized, 2);
    expect(relativeError(await runModel(sized, images), expected(sized, images))).toBeLessThan(1e-5);
    const folded = await runModel(foldModel(sized), images);
    expect(relativeError(folded, expected(sized, images))).toBeLessThan(1e-5);
  });

  it('differs from torchvision in what is being tested', async () => {
    const { padding: _padding, batchNormEpsilon: _epsilon, ...architecture } = model.architecture;
    const other = expected({ ...model, architecture }, input);
    expect(relativeError(other, expected(model, input))).toBeGreaterThan(1e-2);
  });

  it('comes back from its file, and in one that states no more than it must', async () => {
    const read = await readModel(encodeModel(model));
    expect(read.architecture).toEqual(model.architecture);
    expect(await runModel(read, input)).toEqual(await runModel(model, input));
    expect(encodeModel(read)).toEqual(encodeModel(model));
  });

  it('becomes ONNX', async () => {
    const [height, width] = model.preprocessing.size;
    const planes = new Float32Array(height * width * 3);
    for (let at = 0; at < height * width; at++) {
      for (let c = 0; c < 3; c++) planes[c * height * width + at] = input[3 * at + c]!;
    }
    const file = readOnnx(toOnnx(model));
    const { data } = runOnnx(file, { shape: [1, 3, height, width], data: planes });
    const outputs = expected(model, input.subarray(0, height * width * 3));
    expect(file.output).toMatchObject({
      name: model.architecture.classes === 0 ? 'pool' : 'logits',
      shape: ['N', outputs.length],
    });
    expect(relativeError(Float32Array.from(data), outputs)).toBeLessThan(1e-5);
  });

  it('can be summarized', () => {
    const { layers, macs, architecture } = inspectModel(model);
    expect(architecture).toEqual(model.architecture);
    expect(layers.map(({ name }) => name)).toEqual([...model.layers.keys()]);
    expect(macs).toBe(layers.reduce((sum, layer) => sum + layer.macs, 0));
  });

  it('can be compressed in every way, and read back', async () => {
    const calibration = pictures(randomImages(model, 8, 5), 8);
    const reference = expected(model, input);
    const errorOf = async (compressed: Model): Promise<number> =>
      relativeError(await runModel(await throughFile(compressed), input), reference);
    expect(await errorOf(toFp16(model))).toBeLessThan(0.02);
    expect(await errorOf(quantizeDynamic(model))).toBeLessThan(0.2);
    expect(await errorOf(quantizeDynamic(model, { scope: 'linear' }))).toBeLessThan(0.2);
    const fixed = await quantizeStatic(model, { calibration, observe, keepFloat: 'sensitive' });
    expect(await errorOf(fixed.model)).toBeLessThan(0.4);
  });

  it('is repaired after pruning', async () => {
    const small = plainArchitecture(randomModel({ ...options, size: 32 }));
    const calibration = pictures(randomImages(small, 16, 5), 16);
    const { model: pruned } = prune(small, { amount: 0.3 });
    const repaired = await reconstruct(pruned, { reference: small, calibration, observe });
    const images = randomImages(small, 8, 9);
    const errorOf = async (other: Model) => relativeError(await runModel(other, images), expected(small, images));
    expect(await errorOf(repaired)).toBeLessThan(0.8 * (await errorOf(pruned)));
  });

  it('gets the scale of a layer back from its batch norm', async () => {
    const name = 'features.4.block.0.0';
    const layer = model.layers.get(name)!;
    const data = toFloat32(layer.weights).map((weight) => 3 * weight);
    const layers = new Map(model.layers).set(name, { ...layer, weights: { type: 'f32', data } });
    const calibration = pictures(randomImages(model, 8, 5), 8);
    const repaired = await recalibrate({ ...model, layers }, { reference: model, calibration, observe });
    expect(relativeError(await runModel(repaired, input), expected(model, input))).toBeLessThan(1e-3);
  });

  it('can lose channels', async () => {
    const { model: narrow, report } = prune(model, { method: 'channels', amount: 0.3 });
    const output = await runModel(await throughFile(narrow), input);
    expect(output).toHaveLength(expected(model, input).length);
    expect(relativeError(output, expected(narrow, input))).toBeLessThan(1e-5);
    const { last, hidden, classes } = narrow.architecture;
    expect(last).toBe(classes === 0 ? model.architecture.last : 56);
    expect(hidden).toBeLessThanOrEqual(model.architecture.hidden);
    expect(report.channels.some(({ reason }) => reason?.includes('no classifier'))).toBe(classes === 0);
  });
});

describe('a model file', () => {
  const model = variant({ hidden: 0, conventions: SAME });

  it.each([
    ['padding', 'valid'],
    ['padding', 0],
    ['batchNormEpsilon', 0],
    ['batchNormEpsilon', '1e-3'],
    ['batchNormEpsilon', null],
  ])('is not written with %s %j', (key, value) => {
    const architecture = { ...model.architecture, [key]: value };
    expect(() => encodeModel({ ...model, architecture } as Model)).toThrow(
      expect.objectContaining({ code: 'ERR_MODEL_FORMAT', message: expect.stringContaining(`architecture.${key}`) }),
    );
  });
});
