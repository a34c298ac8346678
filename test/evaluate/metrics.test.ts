import { describe, expect, it } from 'vitest';
import { CALIBRATION_BINS, confidenceOf, MetricsAccumulator, rankOf } from '../../lib/evaluate/metrics.js';
import fc from '../fastCheck.js';

function score(classes: number, rows: readonly (readonly [readonly number[], number])[]) {
  const metrics = new MetricsAccumulator(classes);
  for (const [logits, label] of rows) metrics.add(logits, label);
  return metrics.result();
}

describe('metrics', () => {
  it('counts top-1, top-5, classes and confusion as worked out by hand', () => {
    const result = score(6, [
      [[9, 1, 1, 1, 1, 0], 0], // right
      [[9, 8, 7, 6, 5, 4], 4], // fifth: top-5 only
      [[9, 8, 7, 6, 5, 4], 5], // sixth: neither
      [[0, 9, 0, 0, 0, 0], 1], // right
    ]);
    expect(result.images).toBe(4);
    expect(result.top1).toBe(0.5);
    expect(result.top5).toBe(0.75);
    expect(result.classAccuracy).toEqual([1, 1, null, null, 0, 0]);
    expect(result.confusion[0]).toEqual([1, 0, 0, 0, 0, 0]);
    expect(result.confusion[4]).toEqual([1, 0, 0, 0, 0, 0]);
    expect(result.confusion[5]).toEqual([1, 0, 0, 0, 0, 0]);
    expect(result.confusion[1]).toEqual([0, 1, 0, 0, 0, 0]);
  });

  it('computes the calibration error of Guo et al. on a case small enough for paper', () => {
    // Two classes. Logit gap ln(3): confidence 0.75, bin (11/15, 12/15]. Gap ln(9): confidence 0.9, bin (13/15, 14/15].
    const result = score(2, [
      [[Math.log(3), 0], 0],
      [[Math.log(3), 0], 1],
      [[Math.log(9), 0], 0],
      [[0, Math.log(9)], 1],
    ]);
    // 2/4 * |1/2 - 0.75| + 2/4 * |1 - 0.9|
    expect(result.ece).toBeCloseTo(0.175, 12);
    expect(result.calibration).toHaveLength(CALIBRATION_BINS);
    expect(result.calibration[11]!.images).toBe(2);
    expect(result.calibration[11]!.accuracy).toBe(0.5);
    expect(result.calibration[13]!.confidence).toBeCloseTo(0.9, 12);
  });

  it('divides logits by the temperature before the softmax', () => {
    // A gap of ln(9) is a confidence of 0.9; at temperature 2 it is ln(3), 0.75.
    expect(confidenceOf([Math.log(9), 0], 2)).toBeCloseTo(0.75, 12);
    const metrics = new MetricsAccumulator(2, { temperature: 2 });
    metrics.add([Math.log(9), 0], 0);
    expect(metrics.result().ece).toBeCloseTo(0.25, 12);
  });

  it('scores other things as rejection and the classes by the best of them, as worked out by hand', () => {
    const metrics = new MetricsAccumulator(3, { reject: 2 });
    expect(metrics.add([5, 0, 4], 0)).toBe(0); // right, kept
    expect(metrics.add([3, 1, 4], 0)).toBe(0); // right among the classes, but lost
    expect(metrics.add([5, 0, 4], 1)).toBe(0); // wrong, kept
    expect(metrics.add([0, 2, 4], 2)).toBe(2); // rejected
    expect(metrics.add([0, 4, 2], 2)).toBe(1); // taken for a class
    const { images, top1, classMean, rejection, classAccuracy, confusion } = metrics.result();
    expect(images).toBe(5);
    expect(top1).toBeCloseTo(2 / 3, 12);
    expect(classMean).toBe(0.5);
    expect(rejection).toEqual({ others: 2, rejected: 0.5, lost: 1 / 3 });
    expect(classAccuracy).toEqual([1, 0, 0.5]);
    expect(confusion).toEqual([
      [2, 0, 0],
      [1, 0, 0],
      [0, 1, 1],
    ]);
  });

  it('rejects below the threshold too, and takes probabilities among the classes for calibration', () => {
    // softmax(ln 6, 0, ln 3) = 0.6, 0.1, 0.3.
    const logits = [Math.log(6), 0, Math.log(3)];
    const score = (rejectBelow: number) => {
      const metrics = new MetricsAccumulator(3, { reject: 2, rejectBelow });
      metrics.add(logits, 0);
      return metrics.result();
    };
    expect(score(0.59).rejection!.lost).toBe(0);
    expect(score(0.61).rejection!.lost).toBe(1);
    // 6 to 1 among the classes, and right.
    expect(score(0.59).ece).toBeCloseTo(1 / 7, 12);
  });

  it('puts a confidence of exactly one into the last bin and survives huge logits', () => {
    const result = score(2, [[[1e30, -1e30], 0]]);
    expect(result.calibration[CALIBRATION_BINS - 1]!.images).toBe(1);
    expect(result.ece).toBe(0);
  });

  it('counts all classes as the top five where there are fewer', () => {
    expect(score(3, [[[3, 2, 1], 2]]).top5).toBe(1);
  });

  it('never counts a logit that is not a number as right', () => {
    const result = score(2, [[[Number.NaN, Number.NaN], 0]]);
    expect(result.top1).toBe(0);
    expect(result.images).toBe(1);
    expect(result.ece).not.toBeNaN();
  });

  it('agrees with sorting on rank and with softmax on confidence', () => {
    const vector = fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(vector, fc.nat(), (logits, seed) => {
        const label = seed % logits.length;
        const order = logits.map((_, i) => i).sort((a, b) => logits[b]! - logits[a]! || a - b);
        expect(rankOf(logits, label)).toBe(order.indexOf(label));
        const exponentials = logits.map((value) => Math.exp(value));
        const total = exponentials.reduce((sum, value) => sum + value, 0);
        expect(confidenceOf(logits)).toBeCloseTo(Math.max(...exponentials) / total, 10);
      }),
    );
  });

  it('keeps the confusion matrix, top-1 and class accuracies in step', () => {
    const image = fc.tuple(fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 4, maxLength: 4 }), fc.nat(3));
    fc.assert(
      fc.property(fc.array(image, { minLength: 1, maxLength: 40 }), (rows) => {
        const result = score(4, rows);
        const total = result.confusion.flat().reduce((sum, count) => sum + count, 0);
        const right = result.confusion.reduce((sum, row, label) => sum + row[label]!, 0);
        expect(total).toBe(rows.length);
        expect(result.top1).toBeCloseTo(right / total, 12);
        expect(result.top5).toBe(1);
        expect(result.ece).toBeLessThanOrEqual(1);
      }),
    );
  });
});
