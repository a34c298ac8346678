/**
 * IEEE 754 half precision to single, exactly, subnormals, infinities and NaN included.
 *
 * @param bits raw half-precision bits, any length
 * @returns as many floats
 */
export function halfToFloat(bits: Uint16Array): Float32Array {
  const values = new Float32Array(bits.length);
  const view = new Uint32Array(values.buffer);
  for (let i = 0; i < bits.length; i += 1) {
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
