import { NeonsenseError } from '../../errors.js';
import { foldModel } from '../../model/foldBatchNorm.js';
import type { Layer, Model } from '../../model/model.js';
import { floatToHalf } from '../../numbers/half.js';
import { requireFiniteWeights, requireFloat } from '../requirements.js';

/** The largest value half precision holds. */
const LARGEST_HALF = 65504;

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
