import { describe, expect, it } from 'vitest';
import { compareLogits } from '../../lib/numbers/compareLogits.js';

describe('comparing logits', () => {
  it('measures the largest and the mean difference, and agreement', () => {
    const first = Float32Array.of(1, 2, 3, 4, -4, 0);
    const second = Float32Array.of(1, 2, 3.5, 0, -4, 1);
    expect(compareLogits(first, second, 3)).toEqual({
      images: 2,
      largest: 4,
      mean: 5.5 / 6,
      range: 8,
      relative: 0.5,
      // Squares of the differences 17.25 / 6, variance of the first 46 / 6 - 1.
      error: expect.closeTo(Math.sqrt(17.25 / 40), 12),
      agreement: 0.5,
    });
    expect(compareLogits(first, Float32Array.of(1, 2, 3, 4, -4, Number.NaN), 3).relative).toBe(Infinity);
  });

  it('refuses logits of other pictures', () => {
    const code = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' });
    expect(() => compareLogits(new Float32Array(6), new Float32Array(3), 3)).toThrow(code);
    expect(() => compareLogits(new Float32Array(4), new Float32Array(4), 3)).toThrow(code);
  });
});
