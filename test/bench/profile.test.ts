import { describe, expect, it } from 'vitest';
import { layerMacs, profileOf } from '../../lib/bench/profile.js';
import type { Plan, PlanLayer, WeightedLayer } from '../../lib/plan/plan.js';

function weighted(name: string, op: WeightedLayer['op'], weights: number, output: number): WeightedLayer {
  return {
    name,
    op,
    inputs: [0],
    output,
    kernel: [3, 3],
    stride: [1, 1],
    padding: [1, 1, 1, 1],
    weights: { type: 'f32', data: new Float32Array(weights) },
    bias: new Float32Array(1),
    min: -Infinity,
    max: Infinity,
  };
}

/** 8x8x3 -> conv 3x3 to 4 channels, stride 2 -> depthwise 3x3 -> linear 4 to 10. */
const plan: Plan = {
  values: [
    { name: 'input', shape: [8, 8, 3], type: 'f32' },
    { name: 'conv', shape: [4, 4, 4], type: 'f32' },
    { name: 'dw', shape: [4, 4, 4], type: 'f32' },
    { name: 'pool', shape: [1, 1, 4], type: 'f32' },
    { name: 'fc', shape: [1, 1, 10], type: 'f32' },
  ],
  layers: [
    weighted('conv', 'conv2d', 4 * 3 * 3 * 3, 1),
    weighted('dw', 'depthwise-conv2d', 3 * 3 * 4, 2),
    { name: 'pool', op: 'global-average-pool', inputs: [2], output: 3 } satisfies PlanLayer,
    weighted('fc', 'linear', 40, 4),
  ],
  input: 0,
  outputs: [4],
};

describe('profile', () => {
  it('counts multiply-accumulates as the loops of each layer do', () => {
    let conv = 0;
    for (let y = 0; y < 4; y += 1) for (let x = 0; x < 4; x += 1) for (let o = 0; o < 4; o += 1) conv += 3 * 3 * 3;
    expect(Object.fromEntries(layerMacs(plan))).toEqual({ conv, dw: 4 * 4 * 4 * 9, fc: 40 });
  });

  it('sums times by operator, longest first, with the rate of their multiplications', () => {
    const profile = profileOf(
      [
        { layer: 'conv', operator: 'Convert', ms: 0.001 },
        { layer: 'conv', operator: 'Convolution', ms: 0.002 },
        { layer: 'dw', operator: 'Convolution', ms: 0.004 },
        { layer: 'pool', operator: 'Mean', ms: 0.002 },
        { layer: 'fc', operator: 'Fully Connected', ms: 0.001 },
      ],
      plan,
    );
    expect(profile.totalMs).toBeCloseTo(0.01, 12);
    expect(profile.macs).toBe(1728 + 576 + 40);
    expect(profile.operators[0]).toMatchObject({ name: 'Convolution', macs: 1728 + 576 });
    expect(profile.operators[0]!.share).toBeCloseTo(0.6, 12);
    // 2304 multiply-accumulates in 6 microseconds.
    expect(profile.operators[0]!.gmacsPerSecond).toBeCloseTo(0.384, 12);
    expect(profile.layers.map(({ macs }) => macs)).toEqual([0, 1728, 576, 0, 40]);
  });

  it('claims no multiplications for operators that match no layer', () => {
    const profile = profileOf([{ layer: '', operator: 'Sparse GEMM', ms: 1 }], plan);
    expect(profile.operators).toEqual([{ name: 'Sparse GEMM', ms: 1, share: 1, macs: 0, gmacsPerSecond: 0 }]);
  });
});
