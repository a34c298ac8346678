import { describe, expect, it } from 'vitest';
import { Budget, DEFAULT_LIMITS, resolveLimits } from '../../lib/files/limits.js';

describe('resolveLimits', () => {
  it('fills in the defaults', () => {
    expect(resolveLimits(undefined)).toEqual(DEFAULT_LIMITS);
    expect(resolveLimits({ work: 7, depth: undefined })).toEqual({ ...DEFAULT_LIMITS, work: 7 });
  });

  it.each<[unknown, RegExp]>([
    [null, /`options\.limits` but received null/],
    [[], /`options\.limits` but received an array/],
    [{ inflated: 1 }, /`options\.limits\.inflated` is no limit: known are fileBytes, /],
    [{ work: 0 }, /`options\.limits\.work` but received 0/],
    [{ work: 1.5 }, /`options\.limits\.work`/],
    [{ work: '7' }, /`options\.limits\.work`/],
    [{ work: 7n }, /`options\.limits\.work` but received 7 of type bigint/],
    [{ work: Number.NaN }, /`options\.limits\.work`/],
  ])('refuses %o', (limits, message) => {
    expect(() => resolveLimits(limits)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
});

describe('a budget', () => {
  it('is spent to the last, and then names the limit to raise', () => {
    const budget = new Budget(resolveLimits({ objects: 3 }));
    budget.spend('objects', 2);
    budget.spend('objects');
    expect(() => budget.spend('objects')).toThrow(/more than the 3 objects allowed.*`limits\.objects`/);
  });

  it('is not fooled by amounts that are no number', () => {
    expect(() => new Budget().spend('work', Number.NaN)).toThrow(/limits\.work/);
    expect(() => new Budget().check('depth', Number.NaN)).toThrow(/limits\.depth/);
  });

  it('may be lifted', () => {
    const budget = new Budget(resolveLimits({ work: Infinity }));
    expect(() => budget.spend('work', Number.MAX_SAFE_INTEGER)).not.toThrow();
  });
});
