import { describe, expect, it } from 'vitest';
import { spreadEvenly } from '../../lib/numbers/spread.js';

describe('spreadEvenly', () => {
  it('takes numbers from the whole range, so that data sorted by class give some of each', () => {
    expect([...spreadEvenly(10, 4)]).toEqual([0, 2, 5, 7]);
  });

  it('takes all where as many or more are wanted, or no number is said', () => {
    expect([...spreadEvenly(3, 3)]).toEqual([0, 1, 2]);
    expect([...spreadEvenly(3, 8)]).toEqual([0, 1, 2]);
    expect([...spreadEvenly(3)]).toEqual([0, 1, 2]);
  });
});
