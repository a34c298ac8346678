import { describe, expect, it } from 'vitest';
import { profileOf } from '../../lib/bench/profile.js';

const macs = new Map([
  ['conv', 1728],
  ['dw', 576],
  ['fc', 40],
]);

describe('profile', () => {
  it('sums times by operator, longest first, with the rate of their multiplications', () => {
    const profile = profileOf(
      [
        { layer: 'conv', operator: 'Convert', ms: 0.001 },
        { layer: 'conv', operator: 'Convolution', ms: 0.002 },
        { layer: 'dw', operator: 'Convolution', ms: 0.004 },
        { layer: 'pool', operator: 'Mean', ms: 0.002 },
        { layer: 'fc', operator: 'Fully Connected', ms: 0.001 },
      ],
      macs,
    );
    expect(profile.totalMs).toBeCloseTo(0.01, 12);
    expect(profile.macs).toBe(1728 + 576 + 40);
    expect(profile.operators[0]).toMatchObject({ name: 'Convolution', macs: 1728 + 576 });
    expect(profile.operators[0]!.share).toBeCloseTo(0.6, 12);
    // 2304 multiply-accumulates in 6 microseconds.
    expect(profile.operators[0]!.gmacsPerSecond).toBeCloseTo(0.384, 12);
    expect(profile.layers.map((line) => line.macs)).toEqual([0, 1728, 576, 0, 40]);
  });

  it('claims no multiplications for operators that match no layer', () => {
    const profile = profileOf([{ layer: '', operator: 'Sparse GEMM', ms: 1 }], macs);
    expect(profile.operators).toEqual([{ name: 'Sparse GEMM', ms: 1, share: 1, macs: 0, gmacsPerSecond: 0 }]);
  });
});
