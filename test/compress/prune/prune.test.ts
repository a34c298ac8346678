import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { PruneOptions } from '../../../lib/compress/prune/prune.js';
import { selectSmallest } from '../../../lib/compress/prune/selectSmallest.js';
import { prune } from '../../../lib/compress/stages/prune.js';
import { readModel } from '../../../lib/model/files.js';
import type { Layer, Model } from '../../../lib/model/model.js';
import { layerSpecs } from '../../../lib/model/network.js';
import { roundHalfEven } from '../../../lib/numbers/round.js';
import fc from '../../fastCheck.js';
import { type PruneGolden, type RandomNetworkGolden, readGolden } from '../../golden/files.js';
import { flagsSha256 } from '../../golden/masks.js';
import { randomNetworkTensors, safetensorsBytes } from '../../golden/randomNetwork.js';
import { randomModel } from '../../randomModel.js';
import { describeShared } from '../../shared.js';

const goldenDir = fileURLToPath(new URL('../../golden/', import.meta.url));

function dataOf(model: Model, name: string): Float32Array {
  const { weights } = model.layers.get(name)!;
  if (weights.type !== 'f32') throw new Error(`${name} is ${weights.type}`);
  return weights.data;
}

function withLayer(model: Model, name: string, change: (layer: Layer) => Layer): Model {
  return { ...model, layers: new Map(model.layers).set(name, change(model.layers.get(name)!)) };
}

/** Holds what `prune` did against what torch.nn.utils.prune.l1_unstructured did to the same network. */
function expectTorchMasks(model: Model, golden: PruneGolden): void {
  const { model: pruned } = prune(model, { amount: golden.amount });
  expect(golden.layers).toHaveLength(model.layers.size);
  for (const layer of golden.layers) {
    const before = dataOf(model, layer.name);
    const after = dataOf(pruned, layer.name);
    const below = Array.from(before, (w) => Math.abs(w) < layer.threshold);
    expect(flagsSha256(below), layer.name).toBe(layer.belowSha256);
    let tiesGone = 0;
    before.forEach((w, i) => {
      const magnitude = Math.abs(w);
      if (magnitude < layer.threshold) {
        if (after[i] !== 0) throw new Error(`${layer.name}[${i}] was kept`);
      } else if (magnitude > layer.threshold) {
        if (!Object.is(after[i], w)) throw new Error(`${layer.name}[${i}] was changed`);
      } else if (after[i] === 0) {
        tiesGone++;
      }
    });
    // Of equal magnitudes PyTorch takes any; how many is fixed, unless the threshold is zero and nothing shows.
    if (layer.threshold > 0) expect(tiesGone, layer.name).toBe(layer.tiesPruned);
    expect(
      after.filter((w) => w === 0),
      layer.name,
    ).toHaveLength(layer.zeros);
  }
}

describe('L1 unstructured pruning', () => {
  it('zeroes in each of 54 layers what torch.nn.utils.prune.l1_unstructured zeroes', async () => {
    const { network } = readGolden<RandomNetworkGolden>(goldenDir, 'random-small-37');
    const model = await readModel(safetensorsBytes(randomNetworkTensors(network)));
    expectTorchMasks(model, readGolden(goldenDir, 'prune-random-small-37'));
  });

  it('zeroes exactly round(amount * n) weights, the smallest, and keeps all others bit for bit', () => {
    const values = fc.float32Array({ minLength: 1, maxLength: 300, noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (data, amount) => {
        const k = roundHalfEven(amount * data.length);
        const [mask] = selectSmallest([data], k);
        expect(mask!.reduce((sum, mark) => sum + mark, 0)).toBe(k);
        const magnitudes = (marked: number) =>
          Array.from(data)
            .filter((_, i) => mask![i] === marked)
            .map(Math.abs);
        expect(Math.max(-1, ...magnitudes(1))).toBeLessThanOrEqual(Math.min(Infinity, ...magnitudes(0)));
      }),
    );
  });

  it('leaves every kept weight, every bias and batch norm as it was', () => {
    const model = randomModel();
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (amount) => {
        const { model: pruned, report } = prune(model, { amount });
        for (const { layer, weights, zerosAfter } of report.layers) {
          const before = dataOf(model, layer);
          const after = dataOf(pruned, layer);
          expect(zerosAfter).toBe(roundHalfEven(amount * weights));
          expect(after.every((w, i) => w === 0 || Object.is(w, before[i]))).toBe(true);
          expect(pruned.layers.get(layer)!.batchNorm).toBe(model.layers.get(layer)!.batchNorm);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('takes the share over all layers together with scope global', () => {
    const model = randomModel();
    const { model: pruned, report } = prune(model, { amount: 0.4, scope: 'global' });
    const total = report.layers.reduce((sum, { weights }) => sum + weights, 0);
    const zeros = report.layers.reduce((sum, { zerosAfter }) => sum + zerosAfter, 0);
    expect(zeros).toBe(Math.round(0.4 * total));
    const largestZeroed = Math.max(...report.layers.map((layer) => layer.largestZeroed));
    const smallestKept = Math.min(
      ...[...pruned.layers.keys()].map((name) =>
        dataOf(pruned, name).reduce((least, w) => (w === 0 ? least : Math.min(least, Math.abs(w))), Infinity),
      ),
    );
    expect(largestZeroed).toBeLessThanOrEqual(smallestKept);
    expect(new Set(report.layers.map(({ weights, zerosAfter }) => zerosAfter / weights)).size).toBeGreaterThan(1);
  });

  it('prunes only the targets', () => {
    const model = randomModel();
    const { model: byName } = prune(model, { targets: ['classifier.3'] });
    const { model: byRule } = prune(model, { targets: ({ name }) => name === 'classifier.3' });
    for (const [name, layer] of model.layers) {
      expect(byName.layers.get(name) === layer).toBe(name !== 'classifier.3');
      expect(byRule.layers.get(name) === layer).toBe(name !== 'classifier.3');
    }
  });

  it('does not change the model it is given', () => {
    const model = randomModel();
    const before = dataOf(model, 'classifier.0').slice();
    prune(model, { amount: 0.9 });
    expect(dataOf(model, 'classifier.0')).toEqual(before);
  });

  it('takes the zeros of 8-bit weights to be their zero point', () => {
    const model = randomModel();
    const name = 'classifier.3';
    const length = dataOf(model, name).length;
    const data = Uint8Array.from({ length }, (_, i) => i % 256);
    const quantized = withLayer({ ...model, precision: 'int8-static' }, name, (layer) => ({
      ...layer,
      weights: { type: 'u8', data, scale: 0.5, zeroPoint: 100 },
    }));
    const { model: pruned, report } = prune(quantized, { targets: [name], amount: 0.25 });
    const { weights } = pruned.layers.get(name)!;
    const farthest = Math.max(...Array.from(data, (q, i) => (weights.data[i] === q ? 0 : Math.abs(q - 100))));
    expect(report.layers[0]!.zerosAfter).toBe(Math.round(length / 4));
    expect(farthest).toBeLessThan(length / 8 + 2);
  });
});

describe('pruning patterns', () => {
  it('n:m keeps the n largest of every m neighbours of one output channel', () => {
    const model = randomModel();
    const { model: pruned } = prune(model, { method: 'n:m', n: 2, m: 4, targets: ['classifier.0'] });
    const before = dataOf(model, 'classifier.0');
    const after = dataOf(pruned, 'classifier.0');
    for (let start = 0; start < before.length; start += 4) {
      const group = Array.from(before.subarray(start, start + 4), Math.abs).sort((a, b) => b - a);
      const kept = Array.from(after.subarray(start, start + 4), Math.abs).filter((w) => w > 0);
      expect(kept.sort((a, b) => b - a)).toEqual(group.slice(0, 2));
    }
  });

  it('block removes whole blocks of output channels, the weakest', () => {
    const model = randomModel();
    const { model: pruned } = prune(model, {
      method: 'block',
      amount: 0.5,
      block: [4, 1],
      targets: ['features.12.0'],
    });
    const spec = layerSpecs(model.architecture).find(({ name }) => name === 'features.12.0')!;
    const [outputs = 0, inputs = 0] = spec.shape;
    const before = dataOf(model, 'features.12.0');
    const after = dataOf(pruned, 'features.12.0');
    const strength = { kept: [] as number[], removed: [] as number[] };
    for (let o = 0; o < outputs; o += 4) {
      for (let i = 0; i < inputs; i++) {
        const places = [0, 1, 2, 3].map((row) => (o + row) * inputs + i);
        const zeros = places.filter((at) => after[at] === 0).length;
        expect([0, 4]).toContain(zeros);
        const sum = places.reduce((total, at) => total + Math.abs(before[at]!), 0);
        strength[zeros === 4 ? 'removed' : 'kept'].push(sum);
      }
    }
    expect(strength.removed).toHaveLength((outputs / 4) * inputs * 0.5);
    expect(Math.max(...strength.removed)).toBeLessThanOrEqual(Math.min(...strength.kept) * (1 + 1e-6));
  });
});

describe('pruning bad input', () => {
  const model = randomModel();
  const bad: [string, PruneOptions][] = [
    ['amount 1', { amount: 1 }],
    ['a negative amount', { amount: -0.1 }],
    ['amount NaN', { amount: Number.NaN }],
    ['an amount that is text', { amount: '0.3' as unknown as number }],
    ['an unknown method', { method: 'l2' } as unknown as PruneOptions],
    ['an unknown scope', { scope: 'layer' } as unknown as PruneOptions],
    ['a target that is no layer', { targets: ['classifier.9'] }],
    ['targets that match nothing', { targets: () => false }],
    ['n as large as m', { method: 'n:m', n: 4, m: 4 }],
    ['an empty block', { method: 'block', block: [0, 1] }],
    ['channels over 1', { method: 'channels', amount: 1.5 }],
    ['an unknown width', { method: 'channels', widths: ['stem'] } as unknown as PruneOptions],
  ];
  it.each(bad)('%s is ERR_INVALID_ARGUMENT', (_, options) => {
    expect(() => prune(model, options)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
  });

  it.each([Number.NaN, Infinity])('a weight of %s is ERR_MODEL_ARCHITECTURE naming the layer', (value) => {
    const broken = withLayer(model, 'features.4.block.0.0', (layer) => {
      const data = dataOf(model, 'features.4.block.0.0').slice();
      data[5] = value;
      return { ...layer, weights: { type: 'f32', data } };
    });
    expect(() => prune(broken)).toThrow(
      expect.objectContaining({
        code: 'ERR_MODEL_ARCHITECTURE',
        message: expect.stringMatching(/features\.4\.block\.0\.0.*index 5/),
      }),
    );
  });
});

describeShared('pruning the checkpoints', (shared) => {
  it.each(['household-first', 'udacisense-fp32'])('%s loses what it loses in PyTorch', async (name) => {
    const model = await readModel(`${shared}/checkpoints/${name}.pth`);
    expectTorchMasks(model, readGolden(goldenDir, `prune-${name}`));
  });
});
