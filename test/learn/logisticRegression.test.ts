import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fitLogisticRegression } from '../../lib/learn/logisticRegression.js';
import { nearestMean } from '../../lib/learn/nearestMean.js';
import { headLogits, type Samples } from '../../lib/learn/samples.js';

/** What scikit-learn found: scripts/proof/goldens/logistic_regression.py. */
const golden = JSON.parse(readFileSync(new URL('../golden/logistic-regression.json', import.meta.url), 'utf8')) as {
  readonly width: number;
  readonly classes: number;
  readonly features: number[];
  readonly labels: number[];
  readonly fits: readonly { strength: number; weights: number[][]; probabilities: number[][] }[];
  readonly nearest: number[];
};
const samples: Samples = {
  features: Float32Array.from(golden.features),
  width: golden.width,
  labels: Int32Array.from(golden.labels),
  classes: golden.classes,
};

function probabilitiesOf(logits: Float64Array, classes: number): number[][] {
  return Array.from({ length: logits.length / classes }, (_, row) => {
    const exponentials = [...logits.subarray(row * classes, (row + 1) * classes)].map(Math.exp);
    const sum = exponentials.reduce((a, b) => a + b, 0);
    return exponentials.map((value) => value / sum);
  });
}

function largestOf(logits: Float64Array, classes: number): number[] {
  return probabilitiesOf(logits, classes).map((row) => row.indexOf(Math.max(...row)));
}

describe('logistic regression', () => {
  it.each(golden.fits.map((fit) => [fit.strength, fit] as const))(
    'gives the probabilities of scikit-learn with C = %d',
    async (strength, fit) => {
      const head = await fitLogisticRegression(samples, { strength, maxIterations: 1000 });
      const own = probabilitiesOf(headLogits(head, samples), samples.classes);
      const worst = Math.max(...own.flatMap((row, i) => row.map((p, c) => Math.abs(p - fit.probabilities[i]![c]!))));
      // Both stop near the optimum, not at it: 1e-4 of gradient is about 2e-3 of probability here.
      expect(worst).toBeLessThan(5e-3);
    },
  );

  it('begins where it is told to, and ends at the same place', async () => {
    const near = await fitLogisticRegression(samples, { strength: 0.5 });
    const cold = await fitLogisticRegression(samples, { strength: 1 });
    const warm = await fitLogisticRegression(samples, { strength: 1, start: near });
    const a = headLogits(cold, samples);
    const b = headLogits(warm, samples);
    expect(Math.max(...a.map((logit, i) => Math.abs(logit - b[i]!)))).toBeLessThan(0.05);
  });

  it('counts a sample of weight 2 twice', async () => {
    const doubled: Samples = {
      ...samples,
      features: Float32Array.from([...samples.features, ...samples.features.subarray(0, samples.width)]),
      labels: Int32Array.from([...samples.labels, samples.labels[0]!]),
    };
    const sampleWeights = new Float64Array(samples.labels.length).fill(1);
    sampleWeights[0] = 2;
    const a = headLogits(await fitLogisticRegression(samples, { strength: 0.1, sampleWeights }), samples);
    const b = headLogits(await fitLogisticRegression(doubled, { strength: 0.1 }), samples);
    expect(Math.max(...a.map((logit, i) => Math.abs(logit - b[i]!)))).toBeLessThan(0.02);
  });

  it('can be stopped', async () => {
    const signal = AbortSignal.abort();
    await expect(fitLogisticRegression(samples, { strength: 1, signal })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
  });
});

describe('nearest class mean', () => {
  it('names the classes that scikit-learn names', () => {
    expect(largestOf(headLogits(nearestMean(samples), samples), samples.classes)).toEqual(golden.nearest);
  });
});
