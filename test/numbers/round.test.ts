import { describe, expect, it } from 'vitest';
import { roundHalfEven } from '../../lib/numbers/round.js';
import fc from '../fastCheck.js';

describe('roundHalfEven', () => {
  it('rounds as Python does: a tie goes to the even number', () => {
    expect([0.5, 1.5, 2.5, 3.5, 2.4, 2.6, 0].map(roundHalfEven)).toEqual([0, 2, 2, 4, 2, 3, 0]);
    expect([-0.5, -1.5, -2.5, -2.6].map((value) => roundHalfEven(value) + 0)).toEqual([0, -2, -2, -3]);
  });

  it('gives an integer at most a half away, at any size', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const rounded = roundHalfEven(value);
        expect(Number.isInteger(rounded)).toBe(true);
        expect(Math.abs(rounded - value)).toBeLessThanOrEqual(0.5);
      }),
    );
  });
});
