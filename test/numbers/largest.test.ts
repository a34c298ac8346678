import { describe, expect, it } from 'vitest';
import { indexOfLargest, largestIndices } from '../../lib/numbers/largest.js';
import fc from '../fastCheck.js';

const values = fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 1, maxLength: 12 });

describe('the largest of some numbers', () => {
  it('are those that sorting puts first, of equals the earlier one', () => {
    fc.assert(
      fc.property(values, fc.nat(14), (numbers, count) => {
        const order = numbers.map((_, i) => i).sort((a, b) => numbers[b]! - numbers[a]! || a - b);
        expect(largestIndices(numbers, count)).toEqual(order.slice(0, count));
        expect(indexOfLargest(numbers)).toBe(order[0]);
      }),
    );
  });

  it('is the first one where none is a number', () => {
    expect(indexOfLargest([Number.NaN, Number.NaN])).toBe(0);
    expect(indexOfLargest([Number.NaN, -3])).toBe(1);
  });
});
