// The native image path against the JavaScript of test/reference/image, written another way.

import { describe, expect, it } from 'vitest';
import type { Pixels } from '../../lib/image/pixels.js';
import { ASSUMED, PRESETS, type Preprocessing } from '../../lib/model/preprocessing.js';
import { preprocess } from '../../lib/runtime/preprocess.js';
import fc from '../fastCheck.js';
import { referencePreprocess } from '../reference/image/preprocess.js';
import { randomBytes } from './pictures.js';

const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

/** The presets, small, and every way to fit with every interpolation. */
const PREPROCESSINGS: Readonly<Record<string, Preprocessing>> = {
  torchvision: { ...PRESETS.torchvision, resize: 25, size: [22, 22] },
  timm: { ...PRESETS.timm, resize: 25, size: [22, 20] },
  keras: { ...PRESETS.keras, size: [19, 23] },
  household: { ...PRESETS.household, reduce: [8, 9], size: [24, 31] },
  assumed: { ...ASSUMED, reduce: [12, 14], resize: 20, size: [20, 18] },
  area: { interpolation: 'area', size: [13, 17], ...imagenet },
  'area crop': { fit: 'crop', resize: 21, interpolation: 'area', size: [19, 20], ...imagenet },
  letterbox: { fit: 'letterbox', antialias: true, size: [21, 16], ...imagenet },
  'black letterbox': { fit: 'letterbox', interpolation: 'area', fill: [0, 0, 0], size: [16, 21], ...imagenet },
  'squashed crop': { resize: 30, interpolation: 'bicubic', antialias: true, size: [21, 28], ...imagenet },
};

describe.each(Object.entries(PREPROCESSINGS))('%s', (_, preprocessing) => {
  it('is what the reference computes, for any size and order of channels', () => {
    const side = fc.integer({ min: 1, max: 130 });
    const channels = fc.constantFrom(1, 3, 4) as fc.Arbitrary<1 | 3 | 4>;
    const order = fc.constantFrom('rgb', 'bgr') as fc.Arbitrary<'rgb' | 'bgr'>;
    fc.assert(
      fc.property(side, side, channels, order, fc.integer(), (height, width, count, by, seed) => {
        const data = randomBytes(seed, height * width * count);
        const pixels: Pixels = { data, width, height, channels: count, order: by };
        const output = preprocess(pixels, preprocessing);
        const reference = referencePreprocess(pixels, preprocessing);
        let worst = 0;
        output.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - reference[i]!))));
        expect(worst).toBeLessThan(1e-5);
      }),
      { numRuns: 40 },
    );
  });
});
