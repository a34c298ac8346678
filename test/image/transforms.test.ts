// What the usual recipes really do to a picture; scripts/proof/goldens/transforms.py asked torchvision, timm and Keras.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Preprocessing, preprocessingFrom } from '../../lib/model/preprocessing.js';
import { preprocess } from '../../lib/runtime/preprocess.js';
import { picture } from './pictures.js';

interface GoldenCase {
  readonly name: string;
  readonly seed: number;
  readonly height: number;
  readonly width: number;
  readonly preprocessing: string | Preprocessing;
  readonly shape: readonly number[];
  readonly indices: readonly number[];
  readonly values: readonly number[];
  readonly sum: number;
}

/** PIL's bytes bit for bit leave only float32's rounding; Keras finds coordinates in float32, a hundredth of a step of 255 off. */
const TOLERANCES = { torchvision: 1e-6, timm: 1e-6, keras: 2e-4 } as const;

describe.each(Object.entries(TOLERANCES))('%s', (library, tolerance) => {
  const file = new URL(`../golden/transforms-${library}.json`, import.meta.url);
  const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { readonly cases: readonly GoldenCase[] };

  it.each(cases)('$name', ({ seed, height, width, preprocessing, shape, indices, values, sum }) => {
    const declared = preprocessingFrom(preprocessing, 'preprocessing');
    expect([...declared.size, 3]).toEqual(shape);
    const output = preprocess(picture(seed, height, width), declared);
    let worst = 0;
    indices.forEach((index, i) => (worst = Math.max(worst, Math.abs(output[index]! - values[i]!))));
    expect(worst).toBeLessThan(tolerance);
    const total = output.reduce((a, b) => a + b, 0);
    expect(Math.abs(total - sum) / output.length).toBeLessThan(tolerance / 4);
  });
});
