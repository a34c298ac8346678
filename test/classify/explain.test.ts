import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Explainer } from '../../lib/classify/explain.js';
import { decodeImage } from '../../lib/image/decode.js';
import type { Pixels } from '../../lib/image/pixels.js';
import { readModel } from '../../lib/model/files.js';
import type { Model } from '../../lib/model/model.js';
import { toFloat32 } from '../../lib/model/weights.js';
import { preprocess } from '../../lib/runtime/preprocess.js';
import { createSession } from '../../lib/runtime/session.js';
import { projectRoot } from '../cli/run.js';
import { randomModel } from '../randomModel.js';
import { torchvisionArchitecture } from '../torchvisionArchitecture.js';

let model: Model;
let explainer: Explainer;
let clock: Pixels;

beforeAll(async () => {
  model = randomModel({ architecture: torchvisionArchitecture(), size: 224 });
  explainer = await Explainer.create(model, { threads: 1 });
  clock = await decodeImage(join(projectRoot, 'examples/clock.png'));
});
afterAll(() => explainer.dispose());

/** Slopes of a logit by each pooled feature, by finite differences of linear, hard-swish, linear. */
function slopesOf(pooled: Float32Array, index: number): number[] {
  const { weights: w1, bias: b1 } = model.layers.get('classifier.0')!;
  const [first, second] = [toFloat32(w1), toFloat32(model.layers.get('classifier.3')!.weights)];
  const hidden = b1!.length;
  const sums = Float64Array.from(b1!, (bias, h) =>
    pooled.reduce((sum, value, c) => sum + value * first[h * pooled.length + c]!, bias),
  );
  const logit = (channel: number, by: number): number => {
    let sum = 0;
    for (let h = 0; h < hidden; h++) {
      const x = sums[h]! + by * first[h * pooled.length + channel]!;
      sum += second[index * hidden + h]! * x * Math.min(1, Math.max(0, x / 6 + 0.5));
    }
    return sum;
  };
  return Array.from(pooled, (_, channel) => (logit(channel, 1e-4) - logit(channel, -1e-4)) / 2e-4);
}

describe('the activation map', () => {
  it('is of the label the model names', async () => {
    const shipped = await readModel(join(projectRoot, 'models/household-fp32.safetensors'));
    await using explaining = await Explainer.create(shipped, { threads: 1 });
    const { label, width, height, values } = await explaining.explain(clock);
    expect({ label, width, height, cells: values.length }).toEqual({ label: 'clock', width: 7, height: 7, cells: 49 });
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
  });

  it("is what each cell's features add to the label's logit", async () => {
    const last = 'features.12.0.hard-swish';
    await using session = await createSession(model, { threads: 1, outputs: ['pool', last] });
    const { pool, [last]: features } = await session.runAll(preprocess(clock, model.preprocessing));
    const index = 3;
    const slopes = slopesOf(pool!, index);
    const expected = Array.from({ length: 49 }, (_, cell) =>
      Math.max(0, slopes.reduce((sum, slope, c) => sum + slope * features![cell * slopes.length + c]!, 0) / 49),
    );
    const { values } = await explainer.explain(clock, 'class 3');
    expect(Math.max(...expected)).toBeGreaterThan(0);
    expected.forEach((value, cell) => {
      expect(values[cell]).toBeCloseTo(value, 3);
    });
  });

  it('refuses a label the model does not know', async () => {
    await expect(explainer.explain(clock, 'submarine')).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });
});
