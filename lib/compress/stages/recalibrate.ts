import * as z from 'zod/mini';
import type { Model } from '../../model/model.js';
import { type RepairOptions, restoreMoments } from '../repair/recalibrate.js';
import { acceptRepair } from './repair.js';
import { accept, requireSingle, type StageKind, type Unchecked } from './stage.js';

export const recalibrateStage: StageKind<object> = {
  schema: z.strictObject({}),
  check(_, expected) {
    requireSingle(expected, 'recalibrate batch norms');
    expected.calibration();
    return expected.precision;
  },
  async run(model, _, { calibration, engine, unpruned, signal, onProgress }) {
    const repaired = await restoreMoments(model, {
      reference: unpruned,
      calibration: calibration!,
      observe: engine.observe,
      signal,
      onProgress: (done, total) => onProgress?.('recalibration', done, total),
    });
    return { model: repaired, reference: model };
  },
};

/**
 * Repairs what pruning did to the scale of activations: front to back, each batch norm's statistics are shifted so that
 * its output has, over the calibration set, the mean and variance per channel it had in `reference`. Weights stay as
 * they are, zeros included; a model that was not changed comes back with the same statistics.
 *
 * The idea is batch norm re-estimation as in REPAIR (Jordan et al. 2022, arXiv:2211.08403), with the moments of the
 * unpruned network as the goal.
 *
 * @throws {NeonsenseError} `ERR_DATASET` for an unusable calibration set, `ERR_UNSUPPORTED` when batch norms are folded
 * already or the two models differ in shape, `ERR_MODEL_ARCHITECTURE` for NaN or infinite weights, `ERR_ABORTED`
 */
export async function recalibrate(model: Model, options: Unchecked<RepairOptions>): Promise<Model> {
  const { calibration: pictures, ...rest } = acceptRepair(options);
  const calibration = accept(recalibrateStage, model, {}, pictures)!;
  return restoreMoments(model, { ...rest, calibration });
}
