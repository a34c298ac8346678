import { NeonsenseError } from '../errors.js';
import type { Weights } from '../model/model.js';
import type { LayerSpec } from '../model/network.js';
import { toFloat32 } from '../model/weights.js';
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
      const scales = Float32Array.from({ length: spec.shape[0]! }, (_, o) => {
        return checkedScale(weights.scales[weights.scales.length === 1 ? 0 : o]! * (factors?.[o] ?? 1), spec);
      });
      return { type: 'qc8', data: reorder(weights.data, spec, inPlace, (size) => new Int8Array(size)), scales };
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

/**
 * The bias `bias * factor + offset`, zeros where there is none: float32, or int32 in units of input scale times weight
 * scale beside an input of fixed range.
 */
export function lowerBias(
  bias: Float32Array | undefined,
  spec: LayerSpec,
  { factor, offset }: { factor: number; offset: number },
  { weights, input }: { weights: PlanWeights; input: PlanValue },
): Float32Array | Int32Array {
  const channels = spec.shape[0]!;
  const real = new Float64Array(channels);
  for (let i = 0; i < channels; i++) real[i] = (bias?.[i] ?? 0) * factor + offset;
  if (input.scale === undefined || weights.type === 'f32') return new Float32Array(real);

  const integer = new Int32Array(channels);
  for (let i = 0; i < channels; i++) {
    const unit = input.scale * (weights.type === 'qc8' ? weights.scales[i]! : weights.scale);
    integer[i] = Math.max(-0x80000000, Math.min(0x7fffffff, Math.round(real[i]! / unit)));
  }
  return integer;
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
  const same = area === 1 || inputs === 1;
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
