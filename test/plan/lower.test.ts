import { beforeAll, describe, expect, it } from 'vitest';
import { quantizeStatic } from '../../lib/compress/quantize/quantizeStatic.js';
import type { Model } from '../../lib/model/model.js';
import { lower } from '../../lib/plan/lower.js';
import { createSession } from '../../lib/runtime/session.js';
import { randomImages, randomModel } from '../randomModel.js';

describe.each(['qs8', 'qu8'] as const)('the plan of a model quantized to %s throughout', (activations) => {
  let quantized: Model;

  beforeAll(async () => {
    const model = randomModel();
    const calibration = [1, 2].map((seed) => randomImages(model, 1, seed));
    const result = await quantizeStatic(model, {
      calibration,
      activations,
      keepFloat: [],
      async *observe(observed, inputs) {
        const session = await createSession(observed, { threads: 1, observe: true });
        for (const input of inputs) yield await session.observe(input);
        await session.dispose();
      },
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
