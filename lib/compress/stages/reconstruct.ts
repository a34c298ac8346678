import * as z from 'zod/mini';
import type { Model } from '../../model/model.js';
import { inSinglePrecision, toHalf } from '../quantize/fp16.js';
import type { RepairOptions } from '../repair/recalibrate.js';
import { solveForWeights } from '../repair/reconstruct.js';
import { acceptRepair } from './repair.js';
import { accept, requireFloat, type StageKind, type Unchecked } from './stage.js';

export const reconstructStage: StageKind<object> = {
  schema: z.strictObject({}),
  check(_, expected) {
    requireFloat(expected, 'reconstruct weights');
    expected.calibration();
    return expected.precision;
  },
  async run(model, _, { calibration, engine, unpruned, signal, onProgress }) {
    const repaired = await solveInSingle(model, {
      reference: unpruned,
      calibration: calibration!,
      observe: engine.observe,
      signal,
      onProgress: (done, total) => onProgress?.('reconstruction', done, total),
    });
    return { model: repaired, reference: unpruned };
  },
};

/**
 * Lets the weights that pruning left take over from those it removed. Front to back, each layer's remaining weights and
 * its bias become those whose output, from what the layer reads in the network repaired so far, is closest to what the
 * layer of `reference` puts out in its own network: least squares over the calibration set, before the activation, one
 * output channel at a time, held to the old weights as strongly as proved best for the layer on a quarter of the
 * pictures. Zeros stay zeros; a model that was not changed comes back as it was, but for rounding.
 *
 * Layer-wise reconstruction as in Optimal Brain Compression (Frantar and Alistarh 2022, arXiv:2208.11580) and SparseGPT
 * (2023, arXiv:2301.00774), for a given mask, solved exactly by the normal equations. The target is the intact
 * network's output rather than the same layer's on the changed input, so that errors of earlier layers are made good too.
 *
 * @throws {NeonsenseError} `ERR_DATASET` for an unusable calibration set, `ERR_UNSUPPORTED` when weights are in int8 or the
 * two models differ in shape, `ERR_MODEL_ARCHITECTURE` for NaN or infinite weights, `ERR_ABORTED`
 */
export async function reconstruct(model: Model, options: Unchecked<RepairOptions>): Promise<Model> {
  const { calibration: pictures, ...rest } = acceptRepair(options);
  const calibration = accept(reconstructStage, model, {}, pictures)!;
  return solveInSingle(model, { ...rest, calibration });
}

/** Weights in half precision are solved for in single precision, and rounded to half again. */
async function solveInSingle(model: Model, options: RepairOptions): Promise<Model> {
  const reference = inSinglePrecision(options.reference);
  const repaired = await solveForWeights(inSinglePrecision(model), { ...options, reference });
  // Its weights were halves before: that is no step of its own.
  return model.precision === 'fp16' ? { ...toHalf(repaired), provenance: repaired.provenance } : repaired;
}
