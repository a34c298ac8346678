import { describe, expect, it } from 'vitest';
import { MetricsAccumulator } from '../../lib/evaluate/metrics.js';
import { fitTemperature } from '../../lib/evaluate/temperature.js';
import fc from '../fastCheck.js';
import { randomFloats } from '../randomModel.js';

/** Pictures whose labels are drawn from `softmax(logits / temperature)`: that temperature is the true one. */
function drawn(temperature: number, images: number, classes: number, seed: number) {
  const random = randomFloats(seed);
  const logits: number[][] = [];
  const labels: number[] = [];
  for (let image = 0; image < images; image++) {
    const row = Array.from({ length: classes }, () => 6 * random());
    const weights = row.map((x) => Math.exp(x / temperature));
    let rest = ((random() + 1) / 2) * weights.reduce((a, b) => a + b, 0);
    let label = 0;
    while (label < classes - 1 && rest >= weights[label]!) {
      rest -= weights[label]!;
      label++;
    }
    logits.push(row);
    labels.push(label);
  }
  return { logits, labels };
}

describe('fitTemperature', () => {
  it.each([0.4, 0.75, 1, 2.5])('finds the temperature %d that labels were drawn with', (temperature) => {
    const { logits, labels } = drawn(temperature, 6000, 7, 3);
    expect(fitTemperature(logits, labels) / temperature).toBeCloseTo(1, 1);
  });

  it('grows with the scale of the logits', () => {
    const { logits, labels } = drawn(1.3, 200, 4, 5);
    const fitted = fitTemperature(logits, labels);
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 10, noNaN: true }), (factor) => {
        const scaled = logits.map((row) => row.map((x) => factor * x));
        expect(fitTemperature(scaled, labels) / (factor * fitted)).toBeCloseTo(1, 9);
      }),
      { numRuns: 20 },
    );
  });

  it('gives the worked-out answer for two classes', () => {
    // Three of four with a gap of ln(9) are right, so the best probability is 3/4: ln(9) / T = ln(3).
    const row = [Math.log(9), 0];
    expect(fitTemperature([row, row, row, row], [0, 0, 0, 1])).toBeCloseTo(2, 9);
  });

  it('takes away what a wrong temperature adds to the calibration error', () => {
    const { logits, labels } = drawn(3, 3000, 10, 8);
    const errorAt = (temperature?: number): number => {
      const metrics = new MetricsAccumulator(10, { temperature });
      logits.forEach((row, image) => metrics.add(row, labels[image]!));
      return metrics.result().ece;
    };
    expect(errorAt()).toBeGreaterThan(0.1);
    expect(errorAt(fitTemperature(logits, labels))).toBeLessThan(0.03);
  });

  it('ends at its limits where nothing holds it', () => {
    expect(
      fitTemperature(
        [
          [1, 0],
          [0, 1],
        ],
        [0, 1],
      ),
    ).toBe(0.01);
    expect(
      fitTemperature(
        [
          [1, 0],
          [0, 1],
        ],
        [1, 0],
      ),
    ).toBe(100);
  });

  it('survives huge logits', () => {
    expect(
      fitTemperature(
        [
          [1e30, 0],
          [0, 1e30],
          [1e30, 0],
        ],
        [0, 1, 1],
      ),
    ).toBe(100);
  });

  it.each([
    ['no pictures', [], []],
    ['fewer labels than pictures', [[1, 2]], []],
    ['a label that is no class', [[1, 2]], [2]],
    ['a label that is no whole number', [[1, 2]], [0.5]],
    ['NaN', [[1, Number.NaN]], [0]],
  ])('refuses %s', (_, logits, labels) => {
    expect(() => fitTemperature(logits, labels)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
  });
});
