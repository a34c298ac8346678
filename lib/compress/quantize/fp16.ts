import { NeonsenseError } from '../../errors.js';
import { foldModel } from '../../model/foldBatchNorm.js';
import type { Layer, Model } from '../../model/model.js';
import { toFloat32 } from '../../model/weights.js';
import { floatToHalf } from '../../numbers/half.js';

/** The largest value half precision holds. */
const LARGEST_HALF = 65504;

/**
 * Folds a checked FP32 model and rounds its weights to half precision.
 *
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` where a folded weight is too large for half precision
 */
export function toHalf(model: Model): Model {
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

/** The same model with half-precision weights brought back to single, which is exact. */
export function inSinglePrecision(model: Model): Model {
  if (model.precision !== 'fp16') return model;
  const layers = new Map<string, Layer>();
  for (const [name, layer] of model.layers) {
    layers.set(name, { ...layer, weights: { type: 'f32', data: toFloat32(layer.weights) } });
  }
  return { ...model, precision: 'fp32', layers };
}
