import { describe, expect, it } from 'vitest';
import { type CompressOptions, compress } from '../../lib/measure/compress.js';
import { randomModel } from '../randomModel.js';

describe('compress', () => {
  it.each([
    ['a misspelt option', { stages: [], calibraton: [] }, /calibraton/],
    ['no stages', {}, /options\.stages/],
    ['runs that are no count', { stages: [], latency: { runs: 0.5 } }, /options\.latency/],
    ['an evaluation that is no function', { stages: [], evaluate: 3 }, /function for `options\.evaluate`.*3/],
    ['a signal of another kind', { stages: [], signal: {} }, /options\.signal/],
  ])('refuses %s and names it', async (_, options, message) => {
    const run = compress(randomModel(), options as unknown as CompressOptions);
    await expect(run).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(run).rejects.toThrow(message);
  });
});
