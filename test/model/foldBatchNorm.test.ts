import { describe, expect, it } from 'vitest';
import { NeonsenseError } from '../../lib/errors.js';
import { foldLayer, foldModel } from '../../lib/model/foldBatchNorm.js';
import type { Layer } from '../../lib/model/model.js';
import { layerSpecs } from '../../lib/model/network.js';
import { seededRandom } from '../../lib/numbers/random.js';
import { randomModel } from '../randomModel.js';

describe('foldModel', () => {
  const model = randomModel({ sparsity: 0.4, seed: 5 });
  const folded = foldModel(model);

  it('leaves the output of every layer as it was', () => {
    const random = seededRandom(7);
    for (const { name, shape } of layerSpecs(model.architecture)) {
      const before = model.layers.get(name)!;
      const after = folded.layers.get(name)!;
      const [channels] = shape as [number];
      const row = before.weights.data.length / channels;
      const input = Float64Array.from({ length: row }, () => random() - 0.5);
      for (let channel = 0; channel < channels; channel++) {
        const dot = (layer: Layer): number =>
          input.reduce((sum, x, i) => sum + x * layer.weights.data[channel * row + i]!, 0);
        let expected = dot(before) + (before.bias?.[channel] ?? 0);
        if (before.batchNorm !== undefined) {
          const { weight, bias, mean, variance } = before.batchNorm;
          expected =
            ((expected - mean[channel]!) / Math.sqrt(variance[channel]! + 0.001)) * weight[channel]! + bias[channel]!;
        }
        const scale = Math.max(1, Math.abs(expected), Math.sqrt(row) * 40);
        expect(Math.abs(dot(after) + after.bias![channel]! - expected)).toBeLessThan(1e-6 * scale);
      }
    }
  });

  it('rounds each number once, from double', () => {
    const weights = { type: 'f32', data: Float32Array.of(0.1, -0.3) } as const;
    const batchNorm = {
      weight: Float32Array.of(1.7, -0.9),
      bias: Float32Array.of(0.2, 0.4),
      mean: Float32Array.of(0.6, -0.8),
      variance: Float32Array.of(0.05, 3),
    };
    const spec = { ...layerSpecs(model.architecture)[0]!, shape: [2, 1, 1, 1] };
    const layer = foldLayer({ weights, batchNorm }, spec);
    const factors = [0, 1].map((i) => batchNorm.weight[i]! / Math.sqrt(batchNorm.variance[i]! + 1e-3));
    expect([...layer.weights.data]).toEqual(factors.map((factor, i) => Math.fround(weights.data[i]! * factor)));
    expect([...layer.bias!]).toEqual(
      factors.map((factor, i) => Math.fround(batchNorm.bias[i]! - batchNorm.mean[i]! * factor)),
    );
  });

  it('keeps pruned weights at +0, also where the factor is negative', () => {
    for (const [name, layer] of folded.layers) {
      const before = model.layers.get(name)!;
      const zeros = Array.from(before.weights.data.keys()).filter((i) => before.weights.data[i] === 0);
      expect(zeros.length).toBeGreaterThan(0);
      expect(zeros.every((i) => Object.is(layer.weights.data[i], 0))).toBe(true);
    }
  });

  it('leaves no batch norm, and layers that had none untouched', () => {
    for (const [name, layer] of folded.layers) {
      expect(layer.batchNorm).toBeUndefined();
      expect(layer.bias).toBeDefined();
      const before = model.layers.get(name)!;
      if (before.batchNorm === undefined) expect(layer).toBe(before);
    }
    expect(foldModel(folded)).toEqual(folded);
  });

  it('refuses a negative variance and what overflows, naming the batch norm', () => {
    const spec = layerSpecs(model.architecture)[0]!;
    const layer = model.layers.get('features.0.0')!;
    const spoiled = (part: object): Layer => ({ ...layer, batchNorm: { ...layer.batchNorm!, ...part } });
    const filled = (value: number): Float32Array => layer.batchNorm!.weight.slice().fill(value);
    for (const part of [
      { variance: filled(-1e-6) },
      { variance: filled(NaN) },
      { mean: filled(3e38), weight: filled(3e38) },
    ]) {
      expect(() => foldLayer(spoiled(part), spec)).toThrowError(NeonsenseError);
      expect(() => foldLayer(spoiled(part), spec)).toThrowError(/features\.0\.1/);
    }
  });
});
