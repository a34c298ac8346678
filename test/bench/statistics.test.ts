import { describe, expect, it } from 'vitest';
import { bootstrapRatio, summarize } from '../../lib/bench/statistics.js';
import { median, quantile } from '../../lib/numbers/quantile.js';
import { seededRandom } from '../../lib/numbers/random.js';
import fc from '../fastCheck.js';

describe('summarize', () => {
  it('gives the figures worked out by hand, in whatever order the samples come', () => {
    const summary = summarize([4, 1, 3, 2, 10]);
    expect(summary.median).toBe(3);
    expect(summary.min).toBe(1);
    // Type 7: position 3.6 lies between 4 and 10.
    expect(summary.p90).toBeCloseTo(7.6, 12);
    expect(summary.p99).toBeCloseTo(9.76, 12);
    // Mean 4, squares 0 + 9 + 1 + 4 + 36 = 50, over 4.
    expect(summary.stddev).toBeCloseTo(Math.sqrt(12.5), 12);
  });

  it('has no deviation of a single sample', () => {
    expect(summarize([5])).toEqual({ median: 5, p90: 5, p99: 5, min: 5, stddev: 0 });
  });

  it('keeps quantiles in order and within the samples', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 }), (samples) => {
        const { min, median: middle, p90, p99 } = summarize(samples);
        const highest = Math.max(...samples);
        const rising = [min, middle, p90, p99, highest];
        expect(rising.every((value, at) => at === 0 || value >= rising[at - 1]! - 1e-9)).toBe(true);
        expect(median(samples)).toBe(
          quantile(
            [...samples].sort((a, b) => a - b),
            0.5,
          ),
        );
      }),
    );
  });
});

describe('bootstrapRatio', () => {
  const random = seededRandom(7);
  const trials = (mean: number, spread: number, count = 5, runs = 40): number[][] =>
    Array.from({ length: count }, () => Array.from({ length: runs }, () => mean * (1 + spread * (random() - 0.5))));

  it('finds a difference that is larger than the noise', () => {
    const interval = bootstrapRatio(trials(0.6, 0.1), trials(1, 0.1));
    expect(interval.significant).toBe(true);
    expect(interval.low).toBeLessThanOrEqual(0.6 * 1.03);
    expect(interval.high).toBeGreaterThanOrEqual(0.6 * 0.97);
    expect(interval.high).toBeLessThan(0.7);
  });

  it('calls equal things different only about as rarely as it says', () => {
    let found = 0;
    for (let i = 0; i < 40; i++) {
      if (bootstrapRatio(trials(1, 0.3, 6, 20), trials(1, 0.3, 6, 20), { seed: i }).significant) found++;
    }
    // 5 % of 40 are 2; more than 9 has a probability below 0.001.
    expect(found).toBeLessThanOrEqual(9);
  });

  it('is not fooled by many runs of few processes that differ among themselves', () => {
    // Two trials of 1.0 and 1.4 against two of 1.4 and 1.0: within a trial all runs agree to a thousandth.
    const a = [...trials(1, 0.001, 1, 200), ...trials(1.4, 0.001, 1, 200)];
    const b = [...trials(1.4, 0.001, 1, 200), ...trials(1, 0.001, 1, 200)];
    expect(bootstrapRatio(a, b).significant).toBe(false);
  });

  it('cancels a drift that both rows went through together', () => {
    const factors = [1, 1.5, 2, 0.8, 1.2, 1.7];
    const drift = (mean: number): number[][] => factors.map((factor) => trials(mean * factor, 0.02, 1, 30)[0]!);
    expect(bootstrapRatio(drift(0.9), drift(1)).significant).toBe(true);
  });

  it('leaves out trials without a partner and says so little of nothing', () => {
    expect(bootstrapRatio([[2, 2], [100]], [[1, 1]]).ratio).toBe(2);
    const nothing = bootstrapRatio([], [[1]]);
    expect(nothing.significant).toBe(false);
    expect(nothing.low).toBeNaN();
  });
});
