import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { narrowLayers } from '../../../lib/compress/quantize/quantizeDynamic.js';
import { quantizePerChannel, quantizePerTensorUnsigned } from '../../../lib/compress/quantize/quantizeWeights.js';
import { toFp16 } from '../../../lib/compress/stages/fp16.js';
import { prune } from '../../../lib/compress/stages/prune.js';
import { quantizeDynamic } from '../../../lib/compress/stages/quantizeDynamic.js';
import { readModel } from '../../../lib/model/files.js';
import { foldModel } from '../../../lib/model/foldBatchNorm.js';
import type { Layer, Model } from '../../../lib/model/model.js';
import { layerSpecs } from '../../../lib/model/network.js';
import { toFloat32 } from '../../../lib/model/weights.js';
import { preprocess } from '../../../lib/runtime/preprocess.js';
import fc from '../../fastCheck.js';
import {
  floatsOf,
  type PruneGolden,
  type QuantizeDynamicGolden,
  type RandomNetworkGolden,
  readGolden,
} from '../../golden/files.js';
import { torchMask } from '../../golden/masks.js';
import { randomNetworkInput, randomNetworkTensors, safetensorsBytes } from '../../golden/randomNetwork.js';
import { randomImages, randomModel } from '../../randomModel.js';
import { describeShared } from '../../shared.js';
import { relativeError, run, runModel, throughFile } from '../running.js';

const goldenDir = fileURLToPath(new URL('../../golden/', import.meta.url));

/** Holds scope `linear` against what torch.ao.quantization.quantize_dynamic stored for the same weights. */
function expectTorchWeights(model: Model, golden: QuantizeDynamicGolden): void {
  const quantized = quantizeDynamic(model, { scope: 'linear' });
  expect(golden.layers.map(({ name }) => name)).toEqual(['classifier.0', 'classifier.3']);
  for (const [name, layer] of quantized.layers) {
    const expected = golden.layers.find((other) => other.name === name);
    if (expected === undefined) {
      // Not Linear: batch norm and all stay as they were.
      expect(layer).toBe(model.layers.get(name));
      continue;
    }
    const { weights } = layer;
    if (weights.type !== 'i8') throw new Error(`${name} is ${weights.type}`);
    expect([...weights.scales]).toEqual([expected.scale]);
    const bytes = new Uint8Array(weights.data.buffer, weights.data.byteOffset, weights.data.byteLength);
    expect(createHash('sha256').update(bytes).digest('hex'), name).toBe(expected.int8Sha256);
    expect(layer.bias).toBe(model.layers.get(name)!.bias);
  }
}

/** Largest distance of a logit from torch's, as a share of the range of torch's logits; each picture run alone. */
async function distanceFromTorch(
  model: Model,
  golden: QuantizeDynamicGolden,
  pictureOf: (index: number) => Float32Array,
): Promise<number> {
  const expected = floatsOf(golden.logits);
  const { classes } = model.architecture;
  const logits = await run(quantizeDynamic(model, { scope: 'linear' }), golden.images.map(pictureOf));
  expect(expected).toHaveLength(golden.images.length * classes);
  return Math.max(
    ...logits.flatMap((own, i) => [...own].map((x, c) => Math.abs(x - expected[i * classes + c]!) / golden.range)),
  );
}

describe('dynamic quantization, scope linear', () => {
  it("has PyTorch's logits of single pictures, dense and pruned, for 37 classes", async () => {
    const { network } = readGolden<RandomNetworkGolden>(goldenDir, 'random-small-37');
    const model = await readModel(safetensorsBytes(randomNetworkTensors(network)));
    const pictureOf = (index: number): Float32Array => randomNetworkInput(network, [index]);
    const dense = readGolden<QuantizeDynamicGolden>(goldenDir, 'quantize-dynamic-random-small-37');
    expect(await distanceFromTorch(model, dense, pictureOf)).toBeLessThanOrEqual(1e-4);
    const pruned = withTorchMask(model, readGolden(goldenDir, 'prune-random-small-37'));
    const sparse = readGolden<QuantizeDynamicGolden>(goldenDir, 'prune-quantize-dynamic-random-small-37');
    expect(await distanceFromTorch(pruned, sparse, pictureOf)).toBeLessThanOrEqual(1e-4);
  });

  it("has PyTorch's scales and int8 codes, bit for bit, for 37 classes", async () => {
    const { network } = readGolden<RandomNetworkGolden>(goldenDir, 'random-small-37');
    const model = await readModel(safetensorsBytes(randomNetworkTensors(network)));
    expectTorchWeights(model, readGolden(goldenDir, 'quantize-dynamic-random-small-37'));
    expectTorchWeights(
      withTorchMask(model, readGolden(goldenDir, 'prune-random-small-37')),
      readGolden(goldenDir, 'prune-quantize-dynamic-random-small-37'),
    );
  });

  it('gives a tensor of zeros a scale the engine takes', () => {
    const { model } = prune(randomModel(), { targets: ['classifier.3'], amount: 1 - Number.EPSILON });
    const quantized = quantizeDynamic(model, { scope: 'linear' }).layers.get('classifier.3')!.weights;
    expect(quantized).toMatchObject({ type: 'i8', scales: Float32Array.of(2 ** -23) });
    expect(quantized.data.every((q) => q === 0)).toBe(true);
  });
});

describeShared('dynamic quantization of the checkpoints', (shared) => {
  it.each(['household-first', 'udacisense-fp32'])('%s has the logits PyTorch gives it', async (name) => {
    const model = await readModel(`${shared}/checkpoints/${name}.pth`);
    const pixels = readFileSync(`${shared}/data/household_test.bin`);
    const size = 32 * 32 * 3;
    const pictureOf = (index: number): Float32Array => {
      const data = pixels.subarray(index * size, (index + 1) * size);
      return preprocess({ data, width: 32, height: 32, channels: 3 }, model.preprocessing);
    };
    const dense = readGolden<QuantizeDynamicGolden>(goldenDir, `quantize-dynamic-${name}`);
    expect(await distanceFromTorch(model, dense, pictureOf)).toBeLessThanOrEqual(1e-4);
    const pruned = withTorchMask(model, readGolden(goldenDir, `prune-${name}`));
    const sparse = readGolden<QuantizeDynamicGolden>(goldenDir, `prune-quantize-dynamic-${name}`);
    expect(await distanceFromTorch(pruned, sparse, pictureOf)).toBeLessThanOrEqual(1e-4);
  });

  it.each(['household-first', 'udacisense-fp32'])('%s has the weights PyTorch gives it', async (name) => {
    const model = await readModel(`${shared}/checkpoints/${name}.pth`);
    expectTorchWeights(model, readGolden(goldenDir, `quantize-dynamic-${name}`));
    expectTorchWeights(
      withTorchMask(model, readGolden(goldenDir, `prune-${name}`)),
      readGolden(goldenDir, `prune-quantize-dynamic-${name}`),
    );
  });
});

/** The model pruned as PyTorch pruned it, its choice among equal magnitudes included. */
function withTorchMask(model: Model, golden: PruneGolden): Model {
  const layers = new Map<string, Layer>(model.layers);
  for (const record of golden.layers) {
    const layer = layers.get(record.name)!;
    const data = toFloat32(layer.weights);
    const mask = torchMask(record, data);
    layers.set(record.name, { ...layer, weights: { type: 'f32', data: data.map((w, i) => (mask[i] ? 0 : w)) } });
  }
  return { ...model, layers };
}

describe('dynamic quantization, scope all', () => {
  const model = randomModel();

  it('makes every 1x1 convolution and Linear layer int8 per output channel, and folds the rest in float', () => {
    const quantized = quantizeDynamic(model, { keepFloat: [] });
    expect(quantized).toMatchObject({ precision: 'int8-dynamic', quantization: { mode: 'dynamic', scope: 'all' } });
    for (const { name, shape, groups } of layerSpecs(model.architecture)) {
      const layer = quantized.layers.get(name)!;
      expect(layer.batchNorm, name).toBeUndefined();
      expect(layer.bias, name).toHaveLength(shape[0]!);
      const pointwise = groups === 1 && (shape[2] ?? 1) === 1;
      expect(layer.weights.type, name).toBe(pointwise ? 'i8' : 'f32');
      if (layer.weights.type === 'i8') expect(layer.weights.scales, name).toHaveLength(shape[0]!);
    }
  });

  it('leaves the layers of keepFloat in float, by default the narrow ones', () => {
    const typesOf = (quantized: Model) =>
      [...quantized.layers].filter(([, { weights }]) => weights.type === 'f32').map(([name]) => name);
    const depthwiseAndStem = typesOf(quantizeDynamic(model, { keepFloat: [] }));
    const kept = typesOf(quantizeDynamic(model, { keepFloat: ['classifier.3', 'features.5.block.0.0'] }));
    expect(kept.filter((name) => !depthwiseAndStem.includes(name))).toEqual(['features.5.block.0.0', 'classifier.3']);
    const byDefault = typesOf(quantizeDynamic(model));
    expect(byDefault.filter((name) => !depthwiseAndStem.includes(name))).toEqual(narrowLayers(model.architecture));
  });

  it.each(['linear', 'all'] as const)('%s stays close to the float logits', async (scope) => {
    const input = randomImages(model, 4);
    const expected = await runModel(model, input);
    const quantized = quantizeDynamic(model, { scope });
    expect(relativeError(await runModel(quantized, input), expected)).toBeLessThan(0.05);
    expect(relativeError(await runModel(await throughFile(quantized), input), expected)).toBeLessThan(0.05);
  });
});

describe('quantized weights', () => {
  const weights = fc.float32Array({ min: -100, max: 100, noNaN: true, minLength: 6, maxLength: 60 });

  it('int8 per channel: within half a step of the weight, never -128, the same again when quantized again', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 3 }), (all, outputs) => {
        const real = all.subarray(0, all.length - (all.length % outputs));
        const quantized = quantizePerChannel(real, outputs);
        const back = toFloat32(quantized);
        const row = real.length / outputs;
        quantized.data.forEach((q, i) => {
          const scale = quantized.scales[Math.floor(i / row)]!;
          expect(q).toBeGreaterThanOrEqual(-127);
          expect(Math.abs(q * scale - real[i]!)).toBeLessThanOrEqual(scale * 0.5 * (1 + 1e-5));
          if (real[i] === 0) expect(q).toBe(0);
        });
        expect(quantizePerChannel(back, outputs).data).toEqual(quantized.data);
      }),
    );
  });

  it('int8 per channel: no coarser than asked, no finer than the least scale', () => {
    const quantized = quantizePerChannel(Float32Array.of(1e-9, 1, -0.5), 3, () => 1e-3);
    expect(quantized.scales[0]).toBeCloseTo(1e-3, 8);
    expect(quantized.scales[1]).toBeCloseTo(1 / 127, 8);
  });

  it('uint8 per tensor: within half a step and a clamp, zero exactly', () => {
    fc.assert(
      fc.property(weights, (real) => {
        const quantized = quantizePerTensorUnsigned(real);
        const { scale, zeroPoint } = quantized;
        quantized.data.forEach((q, i) => {
          const clamped = q === 0 || q === 255;
          expect(Math.abs(scale * (q - zeroPoint) - real[i]!)).toBeLessThanOrEqual(
            scale * (clamped ? 1 : 0.5) * 1.0001,
          );
          if (real[i] === 0) expect(q).toBe(zeroPoint);
        });
      }),
    );
  });
});

describe('half precision', () => {
  it('halves the file and hardly moves the logits', async () => {
    const model = randomModel();
    const half = toFp16(model);
    const input = randomImages(model, 2);
    const expected = await runModel(model, input);
    expect(relativeError(await runModel(half, input), expected)).toBeLessThan(2e-3);
    expect(half.layers.get('classifier.0')!.weights.data.byteLength).toBe(64 * 72 * 2);
  });

  it('refuses weights beyond its range, naming the layer', () => {
    const model = randomModel();
    const layer = foldModel(model).layers.get('classifier.3')!;
    const weights = { type: 'f32', data: toFloat32(layer.weights).map((w) => w * 1e6) } as const;
    const layers = new Map(model.layers).set('classifier.3', { ...layer, weights });
    expect(() => toFp16({ ...model, layers })).toThrow(
      expect.objectContaining({ code: 'ERR_MODEL_ARCHITECTURE', message: expect.stringContaining('classifier.3') }),
    );
  });
});

describe('quantizing what should not be', () => {
  const model = randomModel();
  const quantized = quantizeDynamic(model);
  const code = (expected: string) => expect.objectContaining({ code: expected });

  it('an int8 model again, or into halves, is ERR_UNSUPPORTED', () => {
    expect(() => quantizeDynamic(quantized)).toThrow(code('ERR_UNSUPPORTED'));
    expect(() => toFp16(quantized)).toThrow(code('ERR_UNSUPPORTED'));
    expect(() => toFp16(toFp16(model))).toThrow(code('ERR_UNSUPPORTED'));
  });

  it('an unknown scope or layer is ERR_INVALID_ARGUMENT', () => {
    expect(() => quantizeDynamic(model, { scope: 'conv' as 'all' })).toThrow(code('ERR_INVALID_ARGUMENT'));
    expect(() => quantizeDynamic(model, { keepFloat: ['nowhere'] })).toThrow(code('ERR_INVALID_ARGUMENT'));
  });

  it.each(['bias', 'mean', 'variance'] as const)('NaN in a batch norm %s is ERR_MODEL_ARCHITECTURE', (which) => {
    const layer = model.layers.get('features.12.0')!;
    const broken = layer.batchNorm![which].slice();
    broken[3] = Number.NaN;
    const layers = new Map(model.layers).set('features.12.0', {
      ...layer,
      batchNorm: { ...layer.batchNorm!, [which]: broken },
    });
    expect(() => quantizeDynamic({ ...model, layers })).toThrow(code('ERR_MODEL_ARCHITECTURE'));
  });
});
