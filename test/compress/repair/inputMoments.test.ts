import { describe, expect, it } from 'vitest';
import { InputMoments } from '../../../lib/compress/repair/inputMoments.js';
import fc from '../../fastCheck.js';
import { randomFloats } from '../../randomModel.js';

describe('InputMoments', () => {
  it('are those computed straight from the definition, group by group, in one set or in two put together', () => {
    const shape = [
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 100 }),
      fc.integer(),
    ] as const;
    fc.assert(
      fc.property(...shape, (groups, size, count, seed) => {
        const random = randomFloats(seed);
        const draw = () =>
          Array.from({ length: count }, () => Float64Array.from({ length: groups * size }, () => 3 + random()));
        const own = draw();
        const other = draw();
        const moments = new InputMoments(groups, size);
        const later = new InputMoments(groups, size);
        own.forEach((x, i) => (i % 3 === 1 ? later : moments).add(x, other[i]!));
        moments.absorb(later);
        expect(moments.count).toBe(count);
        for (let group = 0; group < groups; group++) {
          const mean = (samples: Float64Array[], i: number) =>
            samples.reduce((sum, x) => sum + x[group * size + i]!, 0) / count;
          const covariance = (a: Float64Array[], i: number, b: Float64Array[], j: number) =>
            a.reduce(
              (sum, x, k) => sum + (x[group * size + i]! - mean(a, i)) * (b[k]![group * size + j]! - mean(b, j)),
              0,
            ) / count;
          const centred = moments.centred(group);
          for (let i = 0; i < size; i++) {
            expect(centred.mean[i]).toBeCloseTo(mean(own, i), 10);
            expect(centred.referenceMean[i]).toBeCloseTo(mean(other, i), 10);
            for (let j = 0; j < size; j++) {
              expect(centred.covariance[i * size + j]).toBeCloseTo(covariance(own, i, own, j), 9);
              expect(centred.crossCovariance[i * size + j]).toBeCloseTo(covariance(own, i, other, j), 9);
            }
          }
        }
      }),
      { numRuns: 20 },
    );
  });
});
