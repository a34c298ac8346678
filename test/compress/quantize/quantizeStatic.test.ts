import { describe, expect, it } from 'vitest';
import { calibrate } from '../../../lib/compress/calibrate/calibrate.js';
import { calibrationSet } from '../../../lib/compress/calibrate/calibrationSet.js';
import { chooseRange, quantizationOf, ValueObserver } from '../../../lib/compress/calibrate/observers.js';
import { quantizedValues } from '../../../lib/compress/quantize/quantizeStatic.js';
import { quantizePerChannel } from '../../../lib/compress/quantize/quantizeWeights.js';
import { type KeepFloatTarget, logitError, type RunModel } from '../../../lib/compress/quantize/sensitivity.js';
import { fitRanges } from '../../../lib/compress/quantize/staticRanges.js';
import { correctBias } from '../../../lib/compress/repair/biasCorrection.js';
import { equalize } from '../../../lib/compress/repair/equalize.js';
import { quantizeDynamic } from '../../../lib/compress/stages/quantizeDynamic.js';
import { quantizeStatic } from '../../../lib/compress/stages/quantizeStatic.js';
import { foldModel } from '../../../lib/model/foldBatchNorm.js';
import type { Model } from '../../../lib/model/model.js';
import { layerSpecs, networkOf } from '../../../lib/model/network.js';
import { lower } from '../../../lib/plan/lower.js';
import fc from '../../fastCheck.js';
import { randomFloats, randomImages, randomModel } from '../../randomModel.js';
import { observe, pictures, relativeError, runModel, throughFile, withUnevenChannels } from '../running.js';

const model = randomModel();
const calibration = calibrationSet(pictures(randomImages(model, 12, 5), 12), model.preprocessing);
const code = (expected: string) => expect.objectContaining({ code: expected });

/** Largest magnitude of each channel of each value, as calibration sees it. */
async function peaksOf(source: Model): Promise<Map<string, Float64Array>> {
  const observers = await calibrate(source, calibration, observe);
  return new Map([...observers].map(([name, { channelPeaks }]) => [name, channelPeaks]));
}

describe('the values of the network', () => {
  it('have the names, order and sizes of the lowered plan', () => {
    const plan = lower(model);
    const made = plan.layers.map(({ output }) => plan.values[output]!);
    const nodes = networkOf(model.architecture, model.preprocessing.size).nodes;
    expect(nodes[0]).toMatchObject({ name: 'input', shape: [64, 64, 3] });
    expect(nodes.slice(1).map(({ name, shape }) => [name, shape])).toEqual(
      made.map(({ name, shape }) => [name, shape]),
    );
    for (const { name, inputs } of nodes.slice(1)) {
      const layer = plan.layers.find(({ output }) => plan.values[output]!.name === name)!;
      const expected = layer.inputs.map((input) => plan.values[input]!.name).sort();
      expect([...inputs].sort(), name).toEqual(expected);
    }
  });

  it('are quantized where a quantized layer writes or reads them, and nowhere else', () => {
    const nodes = networkOf(model.architecture, model.preprocessing.size).nodes;
    const names = layerSpecs(model.architecture).map(({ name }) => name);
    expect(quantizedValues(nodes, new Set(names))).toEqual(new Set());
    expect(quantizedValues(nodes, new Set()).size).toBe(nodes.length);
    const alone = quantizedValues(nodes, new Set(names.filter((name) => name !== 'features.12.0')));
    expect(alone.has('features.12.0')).toBe(true);
    expect(alone.has('features.11.add')).toBe(true);
    expect(alone.has('features.12.0.hard-swish')).toBe(false);
    expect(alone.has('classifier.0')).toBe(false);
  });
});

describe('static quantization', () => {
  it.each([
    ['qs8', 'minmax'],
    ['qs8', 'percentile'],
    ['qs8', 'mse'],
    ['qu8', 'minmax'],
  ] as const)(
    '%s with observer %s runs, also from its file, and stays near the float logits',
    async (activations, observer) => {
      const { model: quantized, report } = await quantizeStatic(model, {
        calibration,
        observe,
        activations,
        observer,
        percentile: 99.9,
      });
      expect(quantized.precision).toBe('int8-static');
      const types = [...quantized.layers.values()].map(({ weights }) => weights.type);
      expect(new Set(types)).toEqual(new Set([activations === 'qs8' ? 'i8' : 'u8']));
      expect(report.values).toHaveLength(networkOf(model.architecture, model.preprocessing.size).nodes.length);
      const input = randomImages(model, 4, 9);
      const expected = await runModel(model, input);
      const logits = await runModel(quantized, input);
      expect(relativeError(logits, expected)).toBeLessThan(0.35);
      expect(await runModel(await throughFile(quantized), input)).toEqual(logits);
    },
  );

  it('with trained ranges needs no calibration and is what calibration to these ranges gives', async () => {
    const plain = { observe, equalize: false, biasCorrection: false } as const;
    const { model: calibrated } = await quantizeStatic(model, { ...plain, calibration });
    const scheme = calibrated.quantization;
    if (scheme?.mode !== 'static') throw new Error('not static');
    const ranges = Object.fromEntries(scheme.values);
    const { model: trained, report } = await quantizeStatic(model, { observe, calibration: [], ranges });
    expect(trained.quantization).toEqual(scheme);
    expect(report.values.every(({ seen }) => seen === undefined)).toBe(true);
    const input = randomImages(model, 2, 9);
    expect(await runModel(trained, input)).toEqual(await runModel(calibrated, input));
  });

  it.each<[string, (ranges: Record<string, { scale: number; zeroPoint: number }>) => void]>([
    ['lack a value', (ranges) => delete ranges['pool']],
    ['have a scale of 0', (ranges) => (ranges['pool'] = { scale: 0, zeroPoint: 0 })],
    ['have a scale below single precision', (ranges) => (ranges['pool'] = { scale: 1e-60, zeroPoint: 0 })],
    ['have a zero point outside int8', (ranges) => (ranges['pool'] = { scale: 1, zeroPoint: 128 })],
    ['name a value there is not', (ranges) => (ranges['features.99.0'] = { scale: 1, zeroPoint: 0 })],
  ])('refuses trained ranges that %s', async (_, spoil) => {
    const ranges = Object.fromEntries(
      networkOf(model.architecture, model.preprocessing.size).nodes.map(({ name }) => [
        name,
        { scale: 0.1, zeroPoint: 0 },
      ]),
    );
    spoil(ranges);
    const refused = quantizeStatic(model, { observe, calibration: [], ranges });
    await expect(refused).rejects.toThrow(code('ERR_INVALID_ARGUMENT'));
  });

  it('refuses to equalize beside trained ranges, which would no longer fit', async () => {
    const ranges = Object.fromEntries(
      networkOf(model.architecture, model.preprocessing.size).nodes.map(({ name }) => [
        name,
        { scale: 0.1, zeroPoint: 0 },
      ]),
    );
    const refused = quantizeStatic(model, { observe, calibration, ranges, equalize: true });
    await expect(refused).rejects.toThrow(code('ERR_INVALID_ARGUMENT'));
  });

  it('leaves named layers in float, exactly as folded', async () => {
    const keepFloat = ['features.0.0', 'features.1.block.0.0', 'classifier.3'];
    const options = { calibration, observe, equalize: false };
    const { model: mixed, report } = await quantizeStatic(model, { ...options, keepFloat });
    expect(report.keepFloat).toEqual(keepFloat);
    for (const name of keepFloat) expect(mixed.layers.get(name)).toEqual(foldModel(model).layers.get(name));
    const input = randomImages(model, 4, 9);
    const expected = await runModel(model, input);
    const everything = await quantizeStatic(model, { ...options, keepFloat: [...model.layers.keys()] });
    expect(relativeError(await runModel(mixed, input), expected)).toBeLessThan(0.2);
    expect(relativeError(await runModel(everything.model, input), expected)).toBeLessThan(1e-5);
  });

  describe('the search for layers to leave in float', () => {
    const sizes = new Map([...model.layers].map(([name, { weights }]) => [name, weights.data.length]));
    const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
    const { nodes } = networkOf(model.architecture, model.preprocessing.size);
    const ranges = Object.fromEntries(nodes.map(({ name }) => [name, { scale: 0.1, zeroPoint: 0 }]));
    const byDamage = ['classifier.0', 'features.0.0', 'features.2.block.1.0', 'features.12.0'];

    /** A network whose logits are wrong by a known amount for each of these layers that is quantized. */
    const damaged =
      (damage: Record<string, number>): RunModel =>
      async ({ layers }, inputs) => {
        const wrong = Object.entries(damage).reduce(
          (sum, [name, amount]) => sum + (layers.get(name)!.weights.type === 'f32' ? 0 : amount),
          0,
        );
        return inputs.map(() => Float32Array.of(1 + wrong, -1));
      };
    const search = async (options: Partial<KeepFloatTarget>, damage: Record<string, number>) => {
      const { report, model: mixed } = await quantizeStatic(model, {
        ...{ calibration, observe, ranges, keepFloat: 'auto' },
        search: { run: damaged(damage), error: 0, agreement: 1, images: 4, share: 1, ...options },
      });
      return { kept: report.keepFloat, found: report.search!, mixed };
    };
    const damage = Object.fromEntries(byDamage.map((name, i) => [name, 4 - i]));

    it('takes those that hurt most, worst first, until the target is reached', async () => {
      const { kept, found, mixed } = await search({ layers: 3 }, damage);
      expect(found.layers.map(({ layer }) => layer)).toHaveLength(layerSpecs(model.architecture).length);
      expect(found.layers.slice(0, 4).map(({ layer }) => layer)).toEqual(byDamage);
      expect(found.steps.map(({ layer }) => layer)).toEqual([undefined, ...byDamage.slice(0, 3)]);
      expect(new Set(kept)).toEqual(new Set(byDamage.slice(0, 3)));
      for (const name of kept) expect(mixed.layers.get(name)!.weights.type).toBe('f32');
      expect((await search({}, damage)).kept).toHaveLength(4);
      // The second layer brings the error from 6 / sqrt(2) of the spread to 3 / sqrt(2).
      expect((await search({ error: 2.5 }, damage)).kept).toHaveLength(2);
    });

    it('leaves a layer quantized when its return does not help', async () => {
      const { kept } = await search({}, { 'features.0.0': 3, 'features.12.0': -2, 'features.2.block.1.0': 1 });
      expect(kept).toEqual(['features.0.0']);
    });

    it('looks among small layers only, unless allowed larger ones', async () => {
      const small = sizes.get('features.0.0')!;
      const { kept } = await search({ share: small / total }, damage);
      const expected = byDamage.filter((name) => sizes.get(name)! <= small);
      expect(expected).toEqual(['features.0.0', 'features.2.block.1.0']);
      expect(new Set(kept)).toEqual(new Set(expected));
    });
  });

  it('does not overflow the int32 bias where weights are tiny beside it', async () => {
    // A squeeze that training switched off: fc1 gives nothing, fc2's weights decayed to nothing, its bias did not.
    const layers = new Map(model.layers);
    const [fc1, fc2] = ['features.1.block.1.fc1', 'features.1.block.1.fc2'].map((name) => layers.get(name)!);
    const scaled = (data: Float32Array, factor: number) =>
      ({ type: 'f32', data: data.map((w) => w * factor) }) as const;
    const off = fc1!.weights.data as Float32Array;
    layers.set('features.1.block.1.fc1', { weights: scaled(off, 1e-9), bias: new Float32Array(8) });
    layers.set('features.1.block.1.fc2', {
      weights: scaled(fc2!.weights.data as Float32Array, 1e-9),
      bias: new Float32Array(8).fill(1.5),
    });
    const dead = { ...model, layers };
    const { model: quantized } = await quantizeStatic(dead, { calibration, observe });
    const input = randomImages(model, 4, 9);
    expect(relativeError(await runModel(quantized, input), await runModel(dead, input))).toBeLessThan(0.35);
  });

  it('is better with equalization where channels range widely', async () => {
    const uneven = withUnevenChannels(model);
    const input = randomImages(model, 8, 9);
    const expected = await runModel(uneven, input);
    const errorOf = async (equalizes: boolean) => {
      const { model: quantized } = await quantizeStatic(uneven, { calibration, observe, equalize: equalizes });
      return relativeError(await runModel(quantized, input), expected);
    };
    expect(await errorOf(true)).toBeLessThan(await errorOf(false));
  });
});

describe('equalization', () => {
  it('changes weights but not what the network computes', async () => {
    const float = foldModel(withUnevenChannels(model));
    const equalized = equalize(float, await peaksOf(float));
    const input = randomImages(model, 2, 9);
    expect(relativeError(await runModel(equalized, input), await runModel(float, input))).toBeLessThan(1e-5);
    expect(equalized.layers.get('features.3.block.0.0')).not.toEqual(float.layers.get('features.3.block.0.0'));
    expect(equalized.layers.get('features.0.0')).toBe(float.layers.get('features.0.0'));
  });

  it('evens out the ranges of a residual stream', async () => {
    const float = foldModel(withUnevenChannels(model));
    const spread = async (source: Model) => {
      const seen = (await calibrate(source, calibration, observe)).get('features.3.block.2.0')!;
      return Math.max(...seen.channelPeaks) / Math.min(...seen.channelPeaks);
    };
    const equalized = equalize(float, await peaksOf(float));
    expect(await spread(equalized)).toBeLessThan(0.3 * (await spread(float)));
  });

  it('takes a channel that no weight reads any more out of the range of its value', async () => {
    const float = foldModel(model);
    const layers = new Map(float.layers);
    const maker = layers.get('features.3.block.1.0')!;
    const reader = layers.get('features.3.block.2.0')!;
    const channels = maker.bias!.length;
    layers.set('features.3.block.1.0', { ...maker, bias: maker.bias!.map((b, c) => (c === 5 ? 1000 : b)) });
    const data = (reader.weights.data as Float32Array).map((w, i) => (i % channels === 5 ? 0 : w));
    layers.set('features.3.block.2.0', { ...reader, weights: { type: 'f32', data } });
    const pruned = { ...float, layers };
    expect((await peaksOf(pruned)).get('features.3.block.1.0')![5]).toBeGreaterThan(900);
    const equalized = equalize(pruned, await peaksOf(pruned));
    expect((await peaksOf(equalized)).get('features.3.block.1.0')![5]).toBe(0);
    const input = randomImages(model, 2, 9);
    expect(relativeError(await runModel(equalized, input), await runModel(pruned, input))).toBeLessThan(1e-5);
  });
});

describe('bias correction', () => {
  it('takes the mean error of rounded weights out of the output', () => {
    const spec = layerSpecs(model.architecture).find(({ name }) => name === 'features.12.0')!;
    const [outputs = 0, inputs = 0] = spec.shape;
    const random = randomFloats(3);
    const original = {
      weights: { type: 'f32', data: Float32Array.from({ length: outputs * inputs }, random) },
      bias: Float32Array.from({ length: outputs }, random),
    } as const;
    const coarse = { ...original, weights: quantizePerChannel(original.weights.data, outputs, () => 0.2) };
    const means = Float64Array.from({ length: inputs }, () => 2 + random());
    const corrected = correctBias(original, coarse, spec, means);
    for (let o = 0; o < outputs; o++) {
      let exact = original.bias[o]!;
      let rounded = corrected.bias![o]!;
      for (let i = 0; i < inputs; i++) {
        exact += original.weights.data[o * inputs + i]! * means[i]!;
        rounded += coarse.weights.data[o * inputs + i]! * coarse.weights.scales[o]! * means[i]!;
      }
      expect(rounded).toBeCloseTo(exact, 3);
    }
  });
});

describe('observers', () => {
  const values = fc.float32Array({
    noNaN: true,
    noDefaultInfinity: true,
    min: -1e6,
    max: 1e6,
    minLength: 3,
    maxLength: 90,
  });

  it('count every number once, in a histogram that grows with the range', () => {
    fc.assert(
      fc.property(fc.array(values, { minLength: 1, maxLength: 5 }), (batches) => {
        const observer = new ValueObserver(1);
        for (const batch of batches) observer.add(batch);
        const all = batches.flatMap((batch) => [...batch]);
        const counted = observer.histogram().reduce((sum, [, count]) => sum + count, 0);
        expect(counted + observer.zeros).toBe(all.length);
        expect([observer.min, observer.max]).toEqual([Math.min(...all), Math.max(...all)]);
        const negative = observer.histogram().reduce((sum, [x, count]) => sum + (x < 0 ? count : 0), 0);
        expect(negative).toBe(all.filter((x) => x < 0).length);
      }),
    );
  });

  it('know the mean and the peak of each channel', () => {
    const observer = new ValueObserver(2);
    observer.add(Float32Array.of(1, -10, 3, 20));
    observer.add(Float32Array.of(5, -30));
    expect([...observer.channelMeans()]).toEqual([3, expect.closeTo(-20 / 3)]);
    expect([...observer.channelPeaks]).toEqual([5, 30]);
  });

  it('percentile and mse leave an outlier out, minmax does not', () => {
    const observer = new ValueObserver(1);
    const random = randomFloats(1);
    observer.add(Float32Array.from({ length: 100_000 }, () => random() + random() + random()));
    observer.add(Float32Array.of(1000));
    expect(chooseRange(observer, 'minmax').max).toBe(1000);
    expect(chooseRange(observer, 'percentile', 99.9).max).toBeLessThan(3.1);
    expect(chooseRange(observer, 'mse').max).toBeLessThan(1000);
  });

  it('mse finds the range of least squared error', () => {
    const observer = new ValueObserver(1);
    const random = randomFloats(2);
    // A heavy tail: a few numbers at 10 times the spread of the others.
    const sample = Float32Array.from({ length: 20_000 }, (_, i) => (i % 2000 === 0 ? 10 : 1) * (random() + random()));
    observer.add(sample);
    const errorOf = (range: { min: number; max: number }) => {
      const { scale, zeroPoint } = quantizationOf(range, 'qs8');
      return sample.reduce((sum, x) => {
        const q = Math.min(127, Math.max(-128, Math.round(x / scale) + zeroPoint));
        return sum + (x - scale * (q - zeroPoint)) ** 2;
      }, 0);
    };
    const best = errorOf(chooseRange(observer, 'mse'));
    for (const share of [0.2, 0.4, 0.6, 0.8, 1]) {
      expect(best).toBeLessThanOrEqual(1.05 * errorOf({ min: observer.min * share, max: observer.max * share }));
    }
  });

  it('ranges keep zero exact and cover what they say', () => {
    const ends = fc.record({
      min: fc.double({ min: -1e4, max: 0, noNaN: true }),
      max: fc.double({ min: 0, max: 1e4, noNaN: true }),
    });
    fc.assert(
      fc.property(ends, fc.constantFrom('qs8' as const, 'qu8' as const), (range, type) => {
        const { scale, zeroPoint } = quantizationOf(range, type);
        const lowest = type === 'qs8' ? -128 : 0;
        expect(scale).toBeGreaterThan(0);
        expect(Number.isInteger(zeroPoint) && zeroPoint >= lowest && zeroPoint <= lowest + 255).toBe(true);
        expect(scale * (lowest - zeroPoint)).toBeLessThanOrEqual(range.min + scale);
        expect(scale * (lowest + 255 - zeroPoint)).toBeGreaterThanOrEqual(range.max - scale);
      }),
    );
  });
});

describe('scales the engine accepts', () => {
  it('hold for every operator however far ranges lie apart', () => {
    const nodes = networkOf(model.architecture, model.preprocessing.size).nodes;
    const float = foldModel(model);
    const layers = new Map(
      layerSpecs(model.architecture).map(({ name, shape }) => {
        const layer = float.layers.get(name)!;
        return [name, { ...layer, weights: quantizePerChannel(layer.weights.data as Float32Array, shape[0]!) }];
      }),
    );
    const exponents = fc.array(fc.integer({ min: -16, max: 16 }), { minLength: nodes.length, maxLength: nodes.length });
    fc.assert(
      fc.property(exponents, (powers) => {
        const wanted = new Map(
          nodes.map(({ name }, i) => [name, quantizationOf({ min: -(2 ** powers[i]!), max: 2 ** powers[i]! }, 'qs8')]),
        );
        const values = fitRanges(nodes, layers, wanted);
        const scaleOf = (name: string) => values.get(name)!.scale;
        for (const { name, operator: op, inputs } of nodes) {
          const ratio = inputs.reduce((product, input) => product * scaleOf(input), 1) / scaleOf(name);
          if (op === 'hard-swish') expect(ratio >= 2 ** -8 && ratio < 2 ** 7, name).toBe(true);
          if (op === 'global-average-pool') expect(ratio >= 2 ** -8 && ratio < 2 ** 8, name).toBe(true);
          if (op === 'multiply') expect(ratio >= 2 ** -16 && ratio < 2 ** 8, name).toBe(true);
          if (op === 'add') {
            for (const input of inputs) {
              const own = scaleOf(input) / scaleOf(name);
              expect(own >= 2 ** -10 && own < 2 ** 8, name).toBe(true);
            }
          }
          if (op === 'layer') {
            const { weights } = layers.get(name)!;
            for (const scale of weights.scales) expect(ratio * scale, name).toBeLessThan(256);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('the error of logits', () => {
  it('is relative to their own spread, and counts agreeing pictures', () => {
    const reference = [Float32Array.of(1, -1), Float32Array.of(-1, 1)];
    expect(logitError(reference, reference)).toEqual({ error: 0, agreement: 1 });
    const other = [Float32Array.of(2, -2), Float32Array.of(0.5, 0)];
    const { error, agreement } = logitError(reference, other);
    expect(agreement).toBe(0.5);
    expect(error).toBeCloseTo(Math.sqrt((1 + 1 + 2.25 + 1) / 4));
  });
});

describe('static quantization of bad input', () => {
  const quantize = (options: object, source = model) =>
    quantizeStatic(source, { calibration, observe, ...options } as Parameters<typeof quantizeStatic>[1]);

  it('an empty calibration set is ERR_DATASET', async () => {
    await expect(quantize({ calibration: [] })).rejects.toThrow(code('ERR_DATASET'));
  });

  it('a calibration picture of another size, or with NaN, is ERR_DATASET', async () => {
    const other = new Float32Array(32 * 32 * 3);
    await expect(quantize({ calibration: [calibration[0]!, other] })).rejects.toThrow(/Calibration input 1 has 3072/);
    const broken = calibration[0]!.slice();
    broken[7] = Number.NaN;
    await expect(quantize({ calibration: [broken] })).rejects.toThrow(code('ERR_DATASET'));
  });

  it('a quantized model is ERR_UNSUPPORTED', async () => {
    await expect(quantize({}, quantizeDynamic(model))).rejects.toThrow(code('ERR_UNSUPPORTED'));
  });

  it.each([
    { observer: 'median' },
    { observer: 'percentile', percentile: 20 },
    { activations: 'qs16' },
    { keepFloat: ['nothing'] },
    { keepFloat: 'auto' },
  ])('%o is ERR_INVALID_ARGUMENT', async (options) => {
    await expect(quantize(options)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'));
  });

  it('a signal that has fired is ERR_ABORTED', async () => {
    await expect(quantize({ signal: AbortSignal.abort() })).rejects.toThrow(code('ERR_ABORTED'));
  });
});
