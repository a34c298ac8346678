import { expect, it } from 'vitest';
import { mcNemar } from '../../lib/numbers/mcNemar.js';

it("is the exact binomial test's p, whichever model comes first", () => {
  // scipy.stats.binomtest(5, 20).pvalue and so on, as fractions.
  expect(mcNemar(5, 15)).toBeCloseTo(0.04138946533203125, 12);
  expect(mcNemar(15, 5)).toBeCloseTo(0.04138946533203125, 12);
  expect(mcNemar(0, 10)).toBeCloseTo(2 / 1024, 12);
  expect(mcNemar(700, 800)).toBeCloseTo(0.010559255466711544, 9);
});

it('is 1 where there is no difference, or no picture that tells', () => {
  expect([mcNemar(0, 0), mcNemar(3, 3)]).toEqual([1, 1]);
});
