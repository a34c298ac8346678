import { NeonsenseError } from '../../errors.js';
import { foldModel } from '../../model/foldBatchNorm.js';
import type { Layer, Model } from '../../model/model.js';
import { requireFiniteWeights, requireFloat } from '../requirements.js';
import { nearbyint } from './quantizeWeights.js';

/** The largest value half precision holds. */
const LARGEST_HALF = 65504;

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
  for (let i = 0; i < values.length; i += 1) {
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
      bits[i] = sign | nearbyint(Math.abs(values[i]!) * 2 ** 24);
    }
  }
  return bits;
}

/**
 * Stores the weights of every layer in half precision, batch norm folded in first so that the stored numbers are the
 * ones that run. Biases stay in single precision: they are 0.3 % of the bytes.
 *
 * @throws NeonsenseError `ERR_UNSUPPORTED` for a model that is not FP32, `ERR_MODEL_ARCHITECTURE` where a folded weight
 * is not finite or too large for half precision
 */
export function toFp16(model: Model): Model {
  requireFloat(model, 'store in half precision');
  if (model.precision !== 'fp32') {
    throw new NeonsenseError('ERR_UNSUPPORTED', 'Expected an FP32 model but this one is already stored as FP16');
  }
  requireFiniteWeights(model);
  const layers = new Map<string, Layer>();
  for (const [name, layer] of foldModel(model).layers) {
    if (layer.weights.type !== 'f32') {
      throw new NeonsenseError('ERR_UNSUPPORTED', `Layer ${name} is not in single precision`);
    }
    for (const value of layer.weights.data) {
      if (!(Math.abs(value) <= LARGEST_HALF)) {
        throw new NeonsenseError(
          'ERR_MODEL_ARCHITECTURE',
          `Layer ${name} has the folded weight ${value}, beyond half precision's ±${LARGEST_HALF}: ` +
            'keep this model in FP32',
        );
      }
    }
    layers.set(name, { ...layer, weights: { type: 'f16', data: floatToHalf(layer.weights.data) } });
  }
  return {
    ...model,
    precision: 'fp16',
    layers,
    provenance: [...model.provenance, { step: 'fp16', details: {} }],
  };
}
