import { halfToFloat } from '../numbers/half.js';
import type { Weights } from './model.js';

/** How many numbers `shape` holds. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Whether `[O, I, KH, KW]` of this shape and `[O, KH, KW, I]` are the same numbers in the same order. */
export function isSameInEveryOrder([, inputs = 1, height = 1, width = 1]: readonly number[]): boolean {
  return inputs === 1 || height * width === 1;
}

/** The real numbers `weights` stand for, in the same order; float32 weights are returned as they are, not copied. */
export function toFloat32(weights: Weights): Float32Array {
  switch (weights.type) {
    case 'f32':
      return weights.data;
    case 'f16':
      return halfToFloat(weights.data);
    case 'i8': {
      const { data, scales } = weights;
      const perScale = data.length / scales.length;
      const result = new Float32Array(data.length);
      for (let i = 0; i < result.length; i++) result[i] = data[i]! * scales[Math.floor(i / perScale)]!;
      return result;
    }
    case 'u8': {
      const { data, scale, zeroPoint } = weights;
      return Float32Array.from(data, (q) => scale * (q - zeroPoint));
    }
  }
}

/** Share of the weights, 0 to 1, that stand for the real number zero. */
export function sparsityOf(weights: Weights): number {
  const { data } = weights;
  if (data.length === 0) return 0;
  let zeros = 0;
  if (weights.type === 'f16') {
    for (const bits of weights.data) if ((bits & 0x7fff) === 0) zeros++;
  } else {
    const zero = weights.type === 'u8' ? weights.zeroPoint : 0;
    for (let i = 0; i < data.length; i++) if (data[i] === zero) zeros++;
  }
  return zeros / data.length;
}

/** Index of the first NaN or infinity in `values`, -1 where all are finite. */
export function firstNotFinite(values: Float32Array): number {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  // An exponent of all ones, and no other, carries into the sign bit when one is added to it. Without a branch in the
  // loop a whole model takes about a millisecond.
  let carried = 0;
  for (let i = 0; i < bits.length; i++) carried |= (bits[i]! & 0x7f800000) + 0x00800000;
  return carried >= 0 ? -1 : values.findIndex((value) => !Number.isFinite(value));
}
