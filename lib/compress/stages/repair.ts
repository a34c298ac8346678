import * as z from 'zod/mini';
import { checkModel } from '../../model/checkModel.js';
import type { Model } from '../../model/model.js';
import { check } from '../../schema/check.js';
import { abortSignal, callback } from '../../schema/types.js';
import type { ObserveModel } from '../calibrate/calibrate.js';
import type { RepairOptions } from '../repair/recalibrate.js';
import type { Unchecked } from './stage.js';

const schema = z.strictObject({
  reference: z.custom<Model>(),
  calibration: z.custom<readonly Float32Array[]>(),
  observe: callback<ObserveModel>(),
  signal: z.optional(abortSignal()),
  onProgress: z.optional(callback<(done: number, total: number) => void>()),
});

/**
 * Checks the options of a repair in a call of its own; the pictures are looked at where the model is known.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`, `ERR_MODEL_ARCHITECTURE` for a reference that does not hold together
 */
export function acceptRepair(options: Unchecked<RepairOptions>): Unchecked<RepairOptions> {
  const checked = check(schema, options, { name: 'options' });
  checkModel(checked.reference, 'options.reference');
  return checked;
}
