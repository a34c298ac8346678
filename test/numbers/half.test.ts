import { describe, expect, it } from 'vitest';
import { floatToHalf, halfToFloat } from '../../lib/numbers/half.js';

describe('half precision', () => {
  it('rounds to nearest, ties to even, into subnormals and infinity', () => {
    // Pairs as NumPy's astype(float16) gives them.
    const pairs: [number, number][] = [
      [0, 0],
      [-0, 0x8000],
      [1, 0x3c00],
      [-2, 0xc000],
      [65504, 0x7bff],
      [65519.996, 0x7bff],
      [65520, 0x7c00],
      [-1e30, 0xfc00],
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [2 ** -14, 0x0400],
      [2 ** -24, 1],
      [2 ** -25, 0],
      [2 ** -25 * 1.0001, 1],
      [3 * 2 ** -25, 2],
      [2 ** -14 - 2 ** -25, 0x0400],
      [0.1, 0x2e66],
      [1e-40, 0],
      [Infinity, 0x7c00],
    ];
    for (const [value, bits] of pairs) expect([value, floatToHalf(Float32Array.of(value))[0]]).toEqual([value, bits]);
    expect(floatToHalf(Float32Array.of(Number.NaN))[0]! & 0x7fff).toBeGreaterThan(0x7c00);
  });

  it('gives every half back from its float', () => {
    const bits = Uint16Array.from({ length: 0x10000 }, (_, i) => i).filter((half) => (half & 0x7fff) <= 0x7c00);
    expect(floatToHalf(halfToFloat(bits))).toEqual(bits);
  });
});
