import * as z from 'zod/mini';
import type { Model } from '../../model/model.js';
import { toHalf } from '../quantize/fp16.js';
import { accept, requireSingle, type StageKind } from './stage.js';

export const fp16Stage: StageKind<object> = {
  schema: z.strictObject({}),
  check(_, expected) {
    requireSingle(expected, 'store in half precision');
    return 'fp16';
  },
  run: (model) => ({ model: toHalf(model), reference: model }),
};

/**
 * Stores the weights of every layer in half precision, batch norm folded in first so that the stored numbers are the
 * ones that run. Biases stay in single precision: they are 0.3 % of the bytes.
 *
 * @throws {NeonsenseError} `ERR_UNSUPPORTED` for a model that is not FP32, `ERR_MODEL_ARCHITECTURE` where a weight is
 * not finite, or too large for half precision once it is folded
 */
export function toFp16(model: Model): Model {
  accept(fp16Stage, model, {});
  return toHalf(model);
}
