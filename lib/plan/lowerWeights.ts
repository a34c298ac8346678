import { NeonsenseError } from '../errors.js';
import type { Weights } from '../model/model.js';
import type { LayerSpec } from '../model/network.js';
import { isSameInEveryOrder, toFloat32 } from '../model/weights.js';
import type { PlanValue, PlanWeights } from './plan.js';

/**
 * Weights in the engine's order, to be multiplied by `factors`, one per output channel (a matter of the scale for int8):
 * as arrays of their own, or `inPlace` where the order is the same.
 *
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` when a scale is not finite and above 0, or when quantized weights of
 * one scale would need several.
 */
export function lowerWeights(
  weights: Weights,
  spec: LayerSpec,
  { factors, inPlace }: { factors: Float64Array | undefined; inPlace: boolean },
): PlanWeights {
  switch (weights.type) {
    case 'f32':
    case 'f16': {
      const data = reorder(toFloat32(weights), spec, inPlace, (size) => new Float32Array(size));
      return { type: 'f32', data, ...(factors === undefined ? {} : { factors }) };
    }
    case 'i8': {
      const data = reorder(weights.data, spec, inPlace, (size) => new Int8Array(size));
      return { type: 'qc8', data, scales: lowerScales(weights.scales, spec, { factors, inPlace }) };
    }
    case 'u8': {
      const factor = factors?.[0] ?? 1;
      if (factors?.some((other) => other !== factor)) {
        throw new NeonsenseError(
          'ERR_MODEL_ARCHITECTURE',
          `Layer ${spec.name} has uint8 weights and a batch norm: fold it first`,
        );
      }
      return {
        type: 'qu8',
        data: reorder(weights.data, spec, inPlace, (size) => new Uint8Array(size)),
        scale: checkedScale(Math.fround(weights.scale * factor), spec),
        zeroPoint: weights.zeroPoint,
      };
    }
  }
}

/** One scale for each output channel. */
function lowerScales(
  scales: Float32Array,
  spec: LayerSpec,
  { factors, inPlace }: { factors: Float64Array | undefined; inPlace: boolean },
): Float32Array {
  const channels = spec.shape[0]!;
  if (inPlace && scales.length === channels && factors === undefined) return scales;
  const lowered = new Float32Array(channels);
  if (scales.length === 1) lowered.fill(scales[0]!);
  else lowered.set(scales);
  if (factors !== undefined) {
    for (let o = 0; o < channels; o++) lowered[o] = checkedScale(lowered[o]! * factors[o]!, spec);
  }
  return lowered;
}

/**
 * The bias `bias * factor + offset`, zeros where there is none: float32, or int32 in units of input scale times weight
 * scale beside an input of fixed range.
 *
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` when it is not finite, of whole numbers
 */
export function lowerBias(
  bias: Float32Array | undefined,
  spec: LayerSpec,
  { factor, offset, inPlace }: { factor: number; offset: number; inPlace: boolean },
  { weights, input }: { weights: PlanWeights; input: PlanValue },
): Float32Array | Int32Array {
  const channels = spec.shape[0]!;
  const inFloat = input.scale === undefined || weights.type === 'f32';
  if (inFloat && bias !== undefined && factor === 1 && offset === 0 && !hasNegativeZero(bias)) {
    return inPlace ? bias : bias.slice();
  }
  const real = bias === undefined ? new Float64Array(channels) : new Float64Array(bias);
  if (inFloat || factor !== 1 || offset !== 0) {
    for (let i = 0; i < channels; i++) real[i] = real[i]! * factor + offset;
  }
  if (inFloat) return new Float32Array(real);
  const { scale: step } = input as { readonly scale: number };
  const scales = weights.type === 'qc8' ? weights.scales : new Float64Array(channels).fill(weights.scale);
  for (let i = 0; i < channels; i++) real[i] = real[i]! / (step * scales[i]!);
  return saturated(real.map(Math.round), spec);
}

/**
 * Whole numbers as those of 32 bits. Here and above it is left to functions of the language's own what can be: a model has
 * so many channels that V8's optimizing compiler takes notice of longer loops, which costs the process 4 MiB.
 */
function saturated(numbers: Float64Array, spec: LayerSpec): Int32Array {
  const integers = new Int32Array(numbers);
  const magnitudes = [numbers, new Float64Array(integers)].map((each) => new Uint8Array(each.map(Math.abs).buffer));
  if (Buffer.compare(magnitudes[0]!, magnitudes[1]!) === 0) return integers;
  return integers.map((_, i) => {
    // As a whole number it would be 0, and nobody would see it later.
    if (!Number.isFinite(numbers[i])) {
      throw new NeonsenseError('ERR_MODEL_ARCHITECTURE', `Layer ${spec.name} has a bias that is not finite`);
    }
    return Math.max(-0x80000000, Math.min(0x7fffffff, numbers[i]!));
  });
}

/** Adding 0 would turn it into +0. */
function hasNegativeZero(values: Float32Array): boolean {
  return new Uint32Array(values.buffer, values.byteOffset, values.length).includes(0x80000000);
}

/** PyTorch's `[O, I, KH, KW]` to `[O, KH, KW, I]`: a copy, unless `inPlace` and the two are the same. */
function reorder<T extends Float32Array | Int8Array | Uint8Array>(
  source: T,
  spec: LayerSpec,
  inPlace: boolean,
  allocate: (size: number) => T,
): T {
  const [outputs = 1, inputs = 1, kernelHeight = 1, kernelWidth = 1] = spec.shape;
  const area = kernelHeight * kernelWidth;
  const same = isSameInEveryOrder(spec.shape);
  if (inPlace && same) return source;
  const target = allocate(source.length);
  if (same) {
    target.set(source);
    return target;
  }
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let k = 0; k < area; k++) target[(o * area + k) * inputs + i] = source[(o * inputs + i) * area + k]!;
    }
  }
  return target;
}

function checkedScale(scale: number, spec: LayerSpec): number {
  if (!(scale > 0 && Number.isFinite(scale))) {
    throw new NeonsenseError('ERR_MODEL_ARCHITECTURE', `Layer ${spec.name} has the unusable weight scale ${scale}`);
  }
  return scale;
}
