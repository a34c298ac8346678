import { describe, expect, it } from 'vitest';
import { median, quantile } from '../../lib/numbers/quantile.js';
import fc from '../fastCheck.js';

describe('quantiles', () => {
  it('lie between their neighbours as worked out by hand', () => {
    // Type 7: position 0.9 * 4 = 3.6 lies between 4 and 10.
    expect(quantile([1, 2, 3, 4, 10], 0.9)).toBeCloseTo(7.6, 12);
    expect(quantile([5], 0.99)).toBe(5);
  });

  it('have the middle one or the mean of the two as their median, in whatever order', () => {
    expect(median([9, 1, 4])).toBe(4);
    expect(median([9, 1, 4, 6])).toBe(5);
    expect(median([])).toBeNaN();
  });

  it('rise with the share', () => {
    const samples = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 });
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(samples, share, share, (values, a, b) => {
        const sorted = Float64Array.from(values).sort();
        const [low, high] = [quantile(sorted, Math.min(a, b)), quantile(sorted, Math.max(a, b))];
        expect(low).toBeLessThanOrEqual(high + 1e-9);
        expect(low).toBeGreaterThanOrEqual(sorted[0]!);
        expect(high).toBeLessThanOrEqual(sorted.at(-1)! + 1e-9);
      }),
    );
  });
});
