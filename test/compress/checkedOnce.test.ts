import { afterEach, describe, expect, it, vi } from 'vitest';
import { runStages } from '../../lib/compress/pipeline.js';
import { prune } from '../../lib/compress/stages/prune.js';
import { quantizeDynamic } from '../../lib/compress/stages/quantizeDynamic.js';
import { COMPRESS_ENGINE, compress } from '../../lib/measure/compress.js';
import type { Layer, Model } from '../../lib/model/model.js';
import * as weights from '../../lib/model/weights.js';
import { randomImages, randomModel } from '../randomModel.js';
import { pictures, plainArchitecture } from './running.js';

vi.mock('../../lib/model/weights.js', async (original) => {
  const real = await original<typeof weights>();
  return { ...real, firstNotFinite: vi.fn(real.firstNotFinite) };
});

const looksThrough = vi.mocked(weights.firstNotFinite);
afterEach(() => looksThrough.mockClear());

/** How often each array was looked through for numbers that are none. */
function looks(): Map<Float32Array, number> {
  const counts = new Map<Float32Array, number>();
  for (const [values] of looksThrough.mock.calls) counts.set(values, (counts.get(values) ?? 0) + 1);
  return counts;
}

const arraysOf = ({ weights: { type, data }, bias, batchNorm }: Layer): Float32Array[] => [
  ...(type === 'f32' ? [data] : []),
  ...(bias === undefined ? [] : [bias]),
  ...(batchNorm === undefined ? [] : Object.values(batchNorm)),
];

const allOf = (model: Model): Float32Array[] => [...model.layers.values()].flatMap(arraysOf);

describe('what compression is given', () => {
  it('is looked through once: a model by the first stage that takes it, no result of a stage by the next', async () => {
    const model = randomModel();
    await runStages(model, [{ stage: 'prune' }, { stage: 'quantize-dynamic' }], { engine: COMPRESS_ENGINE });
    const seen = looks();
    for (const array of allOf(model)) expect(seen.get(array)).toBe(1);
    // Folding looks at what it makes, which may overflow.
    const given = new Set(allOf(model));
    const pruned = prune(model).model;
    expect(
      allOf(pruned)
        .filter((array) => !given.has(array))
        .some((array) => seen.has(array)),
    ).toBe(false);
  });

  it('is looked through once in a whole compression: stages, file sizes, sessions and calibration pictures', async () => {
    const model = plainArchitecture(randomModel());
    const calibration = pictures(randomImages(model, 3), 3);
    const stages = [{ stage: 'prune' }, { stage: 'reconstruct' }, { stage: 'quantize-static' }] as const;
    await compress(model, { stages, calibration, latency: { runs: 1, warmup: 0 } });
    const seen = looks();
    for (const array of [...allOf(model), ...calibration]) expect(seen.get(array)).toBe(1);
  });

  it('is looked through once by functions that are called one after the other', () => {
    const model = randomModel({ seed: 3 });
    quantizeDynamic(prune(model).model);
    expect(Math.max(...looks().values())).toBe(1);
  });
});
