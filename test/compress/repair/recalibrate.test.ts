import { describe, expect, it } from 'vitest';
import { prune } from '../../../lib/compress/stages/prune.js';
import { quantizeDynamic } from '../../../lib/compress/stages/quantizeDynamic.js';
import { recalibrate } from '../../../lib/compress/stages/recalibrate.js';
import { COMPRESS_ENGINE } from '../../../lib/measure/compress.js';
import { foldModel } from '../../../lib/model/foldBatchNorm.js';
import { randomImages, randomModel } from '../../randomModel.js';
import { pictures, relativeError, runModel } from '../running.js';

const reference = randomModel();
const calibration = pictures(randomImages(reference, 8, 5), 8);
const { observe } = COMPRESS_ENGINE;

describe('recalibration', () => {
  it('leaves a network that was not changed as it is', async () => {
    const same = await recalibrate(reference, { reference, calibration, observe });
    const input = randomImages(reference, 2, 9);
    expect(relativeError(await runModel(same, input), await runModel(reference, input))).toBeLessThan(1e-4);
  });

  it('brings a pruned network back towards what it computed, without touching a weight', async () => {
    const { model: pruned } = prune(reference, { amount: 0.3 });
    const repaired = await recalibrate(pruned, { reference, calibration, observe });
    for (const [name, { weights }] of repaired.layers) expect(weights).toBe(pruned.layers.get(name)!.weights);
    const input = randomImages(reference, 8, 9);
    const expected = await runModel(reference, input);
    const before = relativeError(await runModel(pruned, input), expected);
    expect(relativeError(await runModel(repaired, input), expected)).toBeLessThan(0.8 * before);
  });

  it('undoes a scale and shift of a layer exactly', async () => {
    const name = 'features.4.block.0.0';
    const layer = reference.layers.get(name)!;
    const data = (layer.weights.data as Float32Array).map((w) => 3 * w);
    const layers = new Map(reference.layers).set(name, { ...layer, weights: { type: 'f32', data } });
    const repaired = await recalibrate({ ...reference, layers }, { reference, calibration, observe });
    const input = randomImages(reference, 2, 9);
    expect(relativeError(await runModel(repaired, input), await runModel(reference, input))).toBeLessThan(1e-3);
  });

  it('refuses folded and quantized models, other shapes and empty sets', async () => {
    const unsupported = expect.objectContaining({ code: 'ERR_UNSUPPORTED' });
    const options = { reference, calibration, observe };
    await expect(recalibrate(foldModel(reference), options)).rejects.toThrow(unsupported);
    await expect(recalibrate(quantizeDynamic(reference), options)).rejects.toThrow(unsupported);
    const narrower = prune(reference, { method: 'channels', amount: 0.5 }).model;
    await expect(recalibrate(narrower, options)).rejects.toThrow(unsupported);
    await expect(recalibrate(reference, { ...options, calibration: [] })).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_DATASET' }),
    );
  });
});
