import { roundHalfEven } from './round.js';

/**
 * IEEE 754 half precision to single, exactly, subnormals, infinities and NaN included.
 *
 * @param bits raw half-precision bits, any length
 * @returns as many floats
 */
export function halfToFloat(bits: Uint16Array): Float32Array {
  const values = new Float32Array(bits.length);
  const view = new Uint32Array(values.buffer);
  for (let i = 0; i < bits.length; i++) {
    const half = bits[i]!;
    const sign = (half & 0x8000) << 16;
    const exponent = (half >>> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) {
      // Zero or subnormal: fraction * 2^-24, which single precision holds exactly.
      values[i] = fraction * 2 ** -24;
      view[i] = view[i]! | sign;
    } else if (exponent === 31) {
      view[i] = sign | 0x7f800000 | (fraction << 13);
    } else {
      view[i] = sign | ((exponent + 112) << 23) | (fraction << 13);
    }
  }
  return values;
}

/**
 * Single precision to IEEE 754 half, rounding to nearest, ties to even: what NumPy's `astype(float16)` and every CPU's
 * conversion instruction do. Values of 65520 and more become infinity; NaN stays NaN.
 *
 * @param values any length
 * @returns raw half-precision bits, as many
 */
export function floatToHalf(values: Float32Array): Uint16Array {
  const view = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const single = view[i]!;
    const sign = (single >>> 16) & 0x8000;
    const magnitude = single & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      bits[i] = sign | 0x7e00;
    } else if (magnitude >= 0x477ff000) {
      bits[i] = sign | 0x7c00;
    } else if (magnitude >= 0x38800000) {
      // Normal: drop 13 bits, adding just under half of the last place and the tie-breaking bit.
      const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
      bits[i] = sign | ((rounded - 0x38000000) >>> 13);
    } else {
      // Halves below 2^-14 are multiples of 2^-24; the scaling is exact, so one rounding to even is all there is.
      bits[i] = sign | roundHalfEven(Math.abs(values[i]!) * 2 ** 24);
    }
  }
  return bits;
}
