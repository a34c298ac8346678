import { beforeAll, describe, expect, it } from 'vitest';
import { toFp16 } from '../../lib/compress/stages/fp16.js';
import { quantizeDynamic } from '../../lib/compress/stages/quantizeDynamic.js';
import { quantizeStatic } from '../../lib/compress/stages/quantizeStatic.js';
import { foldModel } from '../../lib/model/foldBatchNorm.js';
import type { Model } from '../../lib/model/model.js';
import { networkOf } from '../../lib/model/network.js';
import { lower } from '../../lib/plan/lower.js';
import { createSession } from '../../lib/runtime/session.js';
import { observe } from '../compress/running.js';
import { randomImages, randomModel } from '../randomModel.js';
import { constructedModel, planText } from './constructed.js';

/** The model with ranges that are powers of two, quantized without looking at a picture. */
async function fixedRanges(activations: 'qs8' | 'qu8', keepFloat: readonly string[] | 'sensitive'): Promise<Model> {
  const model = constructedModel();
  const { nodes } = networkOf(model.architecture, model.preprocessing.size);
  const zeroPoint = activations === 'qs8' ? -1 : 127;
  const ranges = Object.fromEntries(nodes.map(({ name }, i) => [name, { scale: 2 ** -(4 + (i % 3)), zeroPoint }]));
  const never = () => {
    throw new Error('nothing is to be looked at');
  };
  const options = { activations, keepFloat, ranges, calibration: [], observe: never };
  return (await quantizeStatic(model, options)).model;
}

describe('the plan of a constructed model', () => {
  it.each<[string, () => Model | Promise<Model>]>([
    ['fp32', constructedModel],
    ['fp32-folded', () => foldModel(constructedModel())],
    ['fp16', () => toFp16(constructedModel())],
    ['int8-dynamic', () => quantizeDynamic(constructedModel())],
    ['int8-dynamic-linear', () => quantizeDynamic(constructedModel(), { scope: 'linear' })],
    ['int8-static', () => fixedRanges('qs8', 'sensitive')],
    ['int8-static-throughout', () => fixedRanges('qs8', [])],
    ['int8-static-qu8', () => fixedRanges('qu8', [])],
  ])('in %s is the one kept', async (name, make) => {
    const plan = lower(await make());
    await expect(planText(plan)).toMatchFileSnapshot(`snapshots/${name}.txt`);
  });

  it('holds only what the outputs need', () => {
    const plan = lower(constructedModel(), { outputs: ['features.1.pool', 'features.1.block.0.0:raw'] });
    expect(plan.layers.map(({ name }) => name)).toEqual([
      'features.0.0',
      'features.0.0.hard-swish',
      'features.1.block.0.0',
      'features.1.block.0.0:raw',
      'features.1.pool',
    ]);
  });
});

describe.each(['qs8', 'qu8'] as const)('the plan of a model quantized to %s throughout', (activations) => {
  let quantized: Model;

  beforeAll(async () => {
    const model = randomModel();
    const calibration = [1, 2].map((seed) => randomImages(model, 1, seed));
    const result = await quantizeStatic(model, {
      calibration,
      activations,
      keepFloat: [],
      observe,
    });
    quantized = result.model;
  });

  it('converts the picture and the logits, and nothing between', () => {
    const { layers } = lower(quantized);
    const converted = layers.flatMap((layer, index) => (layer.op === 'convert' ? [index] : []));
    expect(converted).toEqual([0, layers.length - 1]);
  });

  it('has no float value but the picture and the logits', () => {
    const { values, input, outputs } = lower(quantized);
    values.forEach(({ type }, index) => {
      expect(type).toBe(index === input || outputs.includes(index) ? 'f32' : activations);
    });
  });

  it('runs', async () => {
    await using session = await createSession(quantized, { threads: 1 });
    const logits = await session.run(randomImages(quantized, 1));
    expect(new Set(logits).size).toBeGreaterThan(1);
  });
});
