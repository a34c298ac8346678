import { describe, expect, it } from 'vitest';
import { firstNotFinite, sparsityOf, toFloat32 } from '../../lib/model/weights.js';
import fc from '../fastCheck.js';

/** A half-precision number by the standard's own definition. */
function halfByDefinition(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

describe('toFloat32', () => {
  it('reads each of the 65,536 half-precision numbers', () => {
    const data = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);
    expect(toFloat32({ type: 'f16', data })).toEqual(Float32Array.from(data, halfByDefinition));
  });

  it('scales int8 by the tensor or by the output channel', () => {
    const data = Int8Array.of(1, -128, 127, 0);
    expect([...toFloat32({ type: 'i8', data, scales: Float32Array.of(0.5) })]).toEqual([0.5, -64, 63.5, 0]);
    expect([...toFloat32({ type: 'i8', data, scales: Float32Array.of(0.5, 2) })]).toEqual([0.5, -64, 254, 0]);
  });

  it('scales uint8 around its zero point', () => {
    const data = Uint8Array.of(0, 128, 255);
    expect([...toFloat32({ type: 'u8', data, scale: 0.25, zeroPoint: 128 })]).toEqual([-32, 0, 31.75]);
  });
});

describe('firstNotFinite', () => {
  it('finds the first NaN or infinity and nothing else', () => {
    fc.assert(
      fc.property(fc.array(fc.float(), { maxLength: 40 }), (numbers) => {
        expect(firstNotFinite(Float32Array.from(numbers))).toBe(numbers.findIndex((n) => !Number.isFinite(n)));
      }),
      { numRuns: 500 },
    );
  });
});

describe('sparsityOf', () => {
  it('counts what stands for zero', () => {
    expect(sparsityOf({ type: 'f32', data: Float32Array.of(0, -0, 1, 2) })).toBe(0.5);
    expect(sparsityOf({ type: 'f16', data: Uint16Array.of(0, 0x8000, 1, 2) })).toBe(0.5);
    expect(sparsityOf({ type: 'i8', data: Int8Array.of(0, 1, 2, 3), scales: Float32Array.of(1) })).toBe(0.25);
    expect(sparsityOf({ type: 'u8', data: Uint8Array.of(0, 7, 7, 7), scale: 1, zeroPoint: 7 })).toBe(0.75);
  });
});
