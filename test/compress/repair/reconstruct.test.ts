import { describe, expect, it } from 'vitest';
import { toFp16 } from '../../../lib/compress/stages/fp16.js';
import { prune } from '../../../lib/compress/stages/prune.js';
import { quantizeDynamic } from '../../../lib/compress/stages/quantizeDynamic.js';
import { recalibrate } from '../../../lib/compress/stages/recalibrate.js';
import { reconstruct } from '../../../lib/compress/stages/reconstruct.js';
import { COMPRESS_ENGINE } from '../../../lib/measure/compress.js';
import { foldModel } from '../../../lib/model/foldBatchNorm.js';
import { toFloat32 } from '../../../lib/model/weights.js';
import { randomImages, randomModel } from '../../randomModel.js';
import { pictures, relativeError, runModel } from '../running.js';

const reference = randomModel({ size: 32 });
const calibration = pictures(randomImages(reference, 16, 5), 16);
const { observe } = COMPRESS_ENGINE;
const options = { reference, calibration, observe };

describe('reconstruction', () => {
  it('leaves a network that was not changed as it is', async () => {
    const same = await reconstruct(reference, options);
    for (const [name, { weights }] of same.layers) {
      const error = relativeError(toFloat32(weights), toFloat32(reference.layers.get(name)!.weights));
      expect(error, name).toBeLessThan(1e-3);
    }
    const input = randomImages(reference, 2, 9);
    expect(relativeError(await runModel(same, input), await runModel(reference, input))).toBeLessThan(1e-3);
  });

  it('brings a pruned network closer to what it computed than shifting batch norms does, on pictures it has not seen', async () => {
    const { model: pruned } = prune(reference, { amount: 0.3 });
    const repaired = await reconstruct(pruned, options);
    const shifted = await recalibrate(pruned, options);
    const input = randomImages(reference, 8, 9);
    const expected = await runModel(reference, input);
    const error = relativeError(await runModel(repaired, input), expected);
    expect(error).toBeLessThan(relativeError(await runModel(shifted, input), expected));
    expect(error).toBeLessThan(0.6 * relativeError(await runModel(pruned, input), expected));
  });

  it('keeps every zero and says what it did', async () => {
    const { model: pruned } = prune(reference, { amount: 0.5 });
    const repaired = await reconstruct(pruned, { ...options, calibration: calibration.slice(0, 4) });
    for (const [name, { weights }] of repaired.layers) {
      const before = toFloat32(pruned.layers.get(name)!.weights);
      toFloat32(weights).forEach((w, i) => {
        if (before[i] === 0) expect(Object.is(w, 0), `${name}[${i}]`).toBe(true);
      });
    }
    expect(repaired.provenance.at(-1)).toEqual({ step: 'reconstruct', details: { calibrationImages: 4 } });
  });

  it('reproduces the logits where the inputs that are left say all that the others said', async () => {
    // All hidden units of the classifier are equal, so any weight that is left can take over for those that are not.
    const layers = new Map(reference.layers);
    const input = reference.layers.get('classifier.0')!;
    const rows = toFloat32(input.weights).slice();
    const width = rows.length / input.bias!.length;
    for (let o = 1; o < input.bias!.length; o++) rows.copyWithin(o * width, 0, width);
    layers.set('classifier.0', {
      weights: { type: 'f32', data: rows },
      bias: new Float32Array(input.bias!.length).fill(input.bias![0]!),
    });
    const twins = { ...reference, layers };
    const { model: pruned } = prune(twins, { amount: 0.3, targets: ['classifier.3'] });
    const repaired = await reconstruct(pruned, { ...options, reference: twins });
    const unseen = randomImages(reference, 4, 9);
    const expected = await runModel(twins, unseen);
    expect(relativeError(await runModel(repaired, unseen), expected)).toBeLessThan(2e-3);
    expect(relativeError(await runModel(pruned, unseen), expected)).toBeGreaterThan(0.02);
  });

  it('works on folded batch norms as well', async () => {
    const folded = foldModel(reference);
    const { model: pruned } = prune(folded, { amount: 0.3 });
    const repaired = await reconstruct(pruned, { ...options, reference: folded });
    const input = randomImages(reference, 4, 9);
    const expected = await runModel(reference, input);
    expect(relativeError(await runModel(repaired, input), expected)).toBeLessThan(
      0.6 * relativeError(await runModel(pruned, input), expected),
    );
  });

  it('works on halves as well, which a learnt model has', async () => {
    const halves = toFp16(reference);
    const { model: pruned } = prune(halves, { amount: 0.3 });
    const repaired = await reconstruct(pruned, { ...options, reference: halves });
    expect(repaired.precision).toBe('fp16');
    for (const { weights } of repaired.layers.values()) expect(weights.type).toBe('f16');
    expect(repaired.provenance.at(-1)).toMatchObject({ step: 'reconstruct' });
    const input = randomImages(reference, 4, 9);
    const expected = await runModel(halves, input);
    expect(relativeError(await runModel(repaired, input), expected)).toBeLessThan(
      0.6 * relativeError(await runModel(pruned, input), expected),
    );
  });

  it('refuses models in int8, other shapes, and empty sets, and stops on a signal', async () => {
    const code = (expected: string) => expect.objectContaining({ code: expected });
    await expect(reconstruct(quantizeDynamic(reference), options)).rejects.toThrow(code('ERR_UNSUPPORTED'));
    const narrower = prune(reference, { method: 'channels', amount: 0.5 }).model;
    await expect(reconstruct(narrower, options)).rejects.toThrow(code('ERR_UNSUPPORTED'));
    await expect(reconstruct(reference, { ...options, calibration: [] })).rejects.toThrow(code('ERR_DATASET'));
    await expect(reconstruct(reference, { ...options, signal: AbortSignal.abort() })).rejects.toThrow(
      code('ERR_ABORTED'),
    );
  });

  it('passes on what goes wrong in the engine', async () => {
    const broken = async function* () {
      yield await Promise.reject(new Error('out of order'));
    };
    await expect(reconstruct(reference, { ...options, observe: broken })).rejects.toThrow('out of order');
  });
});
