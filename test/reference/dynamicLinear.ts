/**
 * What torch.ao.quantization.quantize_dynamic does to a Linear layer with the QNNPACK engine, step by step in the
 * precision PyTorch 1.13 uses, for one picture at a time. Written from ATen's quantization sources and checked against
 * golden outputs; shares nothing with the library it is compared with.
 */

/** Symmetric per-tensor int8: `w = scale * q`. */
export interface QuantizedWeight {
  readonly data: Int8Array;
  readonly scale: number;
}

const FLOAT32_EPSILON = 2 ** -23;
const SMALLEST_SCALE = 6.1e-5;

/** Weights as the default dynamic observer (MinMaxObserver, qint8, symmetric) and quantize_per_tensor make them. */
export function quantizeWeightLikeTorch(weight: Float32Array): QuantizedWeight {
  let min = 0;
  let max = 0;
  for (const w of weight) {
    min = Math.min(min, w);
    max = Math.max(max, w);
  }
  const scale = Math.max(Math.fround(Math.max(-min, max) / 127.5), FLOAT32_EPSILON);
  const inverse = Math.fround(1 / scale);
  const data = Int8Array.from(weight, (w) => clamp(roundHalfEven(Math.fround(w * inverse)), -128, 127));
  return { data, scale };
}

/** `[O]` outputs of one picture's `[I]` inputs: uint8 activations in their own range, integer sums, float bias. */
export function dynamicLinear(input: ArrayLike<number>, weight: QuantizedWeight, bias: Float32Array): Float32Array {
  const { codes, scale, zeroPoint } = quantizeActivations(input);
  const multiplier = Math.fround(scale * weight.scale);
  const output = new Float32Array(bias.length);
  for (let o = 0; o < bias.length; o++) {
    let sum = 0;
    for (let i = 0; i < codes.length; i++) sum += (codes[i]! - zeroPoint) * weight.data[o * codes.length + i]!;
    output[o] = Math.fround(sum * multiplier) + bias[o]!;
  }
  return output;
}

/** The classifier of a MobileNetV3 on `[C]` pooled features: linear, hard-swish, linear. */
export function dynamicClassifier(
  features: ArrayLike<number>,
  layers: readonly [hidden: readonly [QuantizedWeight, Float32Array], logits: readonly [QuantizedWeight, Float32Array]],
): Float32Array {
  const hidden = dynamicLinear(features, ...layers[0]);
  return dynamicLinear(hidden.map(hardSwish), ...layers[1]);
}

function quantizeActivations(input: ArrayLike<number>): { codes: Uint8Array; scale: number; zeroPoint: number } {
  let min = 0;
  let max = 0;
  for (let i = 0; i < input.length; i++) {
    min = Math.min(min, input[i]!);
    max = Math.max(max, input[i]!);
  }
  let scale = (max - min) / 255;
  if (Math.fround(scale) === 0) scale = 0.1;
  if (scale < SMALLEST_SCALE) scale = SMALLEST_SCALE;
  // The end of the range whose zero point loses less to rounding decides.
  const fromMin = -min / scale;
  const fromMax = 255 - max / scale;
  const trustsMin = Math.abs(min / scale) < 255 + Math.abs(max / scale);
  const zeroPoint = clamp(roundHalfEven(trustsMin ? fromMin : fromMax), 0, 255);
  const inverse = Math.fround(1 / Math.fround(scale));
  const codes = Uint8Array.from(input, (x) => clamp(roundHalfEven(Math.fround(x * inverse)) + zeroPoint, 0, 255));
  return { codes, scale: Math.fround(scale), zeroPoint };
}

function hardSwish(x: number): number {
  return (x * Math.min(Math.max(x + 3, 0), 6)) / 6;
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function clamp(x: number, min: number, max: number): number {
  return Math.min(Math.max(x, min), max);
}
