import type { Weights } from '../../model/model.js';
import { roundHalfEven } from '../../numbers/round.js';

/** Smallest scale PyTorch's observers give: single precision's epsilon. */
const EPSILON = 2 ** -23;

/**
 * Weights as PyTorch's `quantize_dynamic` makes them: one symmetric scale for the tensor,
 * `max(max(-min, max) / 127.5, eps)`, and `q = clamp(round(w * (1 / scale)), -128, 127)`, each step in single
 * precision as there (torch 1.13: MinMaxObserver with qint8, `quantize_per_tensor`).
 *
 * @param real finite weights
 */
export function quantizePerTensorAsTorch(real: Float32Array): Extract<Weights, { type: 'i8' }> {
  let largest = 0;
  for (let i = 0; i < real.length; i++) largest = Math.max(largest, Math.abs(real[i]!));
  const scale = Math.max(Math.fround(largest / 127.5), EPSILON);
  const inverse = Math.fround(1 / scale);
  const data = new Int8Array(real.length);
  for (let i = 0; i < real.length; i++) {
    const q = roundHalfEven(Math.fround(real[i]! * inverse));
    data[i] = Math.min(127, Math.max(-128, q));
  }
  return { type: 'i8', data, scales: Float32Array.of(scale) };
}

/**
 * Symmetric int8 weights in -127..127 with one scale for each output channel, `max|w| / 127`. (Clipping to the scale of
 * least squared error was tried and changed no logit by more than rounding does.)
 *
 * @param real finite weights, output channel first
 * @param outputs number of output channels
 * @param least smallest scale to give channel `o`; default single precision's epsilon, for a channel of zeros
 */
export function quantizePerChannel(
  real: Float32Array,
  outputs: number,
  least: (o: number) => number = () => EPSILON,
): Extract<Weights, { type: 'i8' }> {
  const row = real.length / outputs;
  const data = new Int8Array(real.length);
  const scales = new Float32Array(outputs);
  for (let o = 0; o < outputs; o++) {
    let largest = 0;
    for (let i = o * row; i < (o + 1) * row; i++) largest = Math.max(largest, Math.abs(real[i]!));
    const scale = Math.fround(Math.max(largest / 127, least(o), EPSILON));
    scales[o] = scale;
    for (let i = o * row; i < (o + 1) * row; i++) {
      data[i] = Math.min(127, Math.max(-127, roundHalfEven(real[i]! / scale)));
    }
  }
  return { type: 'i8', data, scales };
}

/**
 * Asymmetric uint8 weights with one scale and zero point for the tensor: what QNNPACK runs. The range is extended to
 * contain zero, so that zeros stay exact.
 *
 * @param real finite weights
 * @param least smallest scale to give
 */
export function quantizePerTensorUnsigned(real: Float32Array, least = EPSILON): Extract<Weights, { type: 'u8' }> {
  let min = 0;
  let max = 0;
  for (let i = 0; i < real.length; i++) {
    min = Math.min(min, real[i]!);
    max = Math.max(max, real[i]!);
  }
  const scale = Math.fround(Math.max((max - min) / 255, least, EPSILON));
  const zeroPoint = Math.min(255, Math.max(0, roundHalfEven(-min / scale)));
  const data = new Uint8Array(real.length);
  for (let i = 0; i < real.length; i++) {
    data[i] = Math.min(255, Math.max(0, roundHalfEven(real[i]! / scale) + zeroPoint));
  }
  return { type: 'u8', data, scale, zeroPoint };
}
