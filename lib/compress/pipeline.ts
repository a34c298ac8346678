import { examined, invalidArgument, throwIfAborted } from '../errors.js';
import { checkModel } from '../model/checkModel.js';
import type { Model } from '../model/model.js';
import { check } from '../schema/check.js';
import { type CalibrationSet, calibrationSet } from './calibrate/calibrationSet.js';
import type { PruneOptions } from './prune/prune.js';
import { fp16Stage } from './stages/fp16.js';
import { pruneStage } from './stages/prune.js';
import { type QuantizeDynamicStage, quantizeDynamicStage } from './stages/quantizeDynamic.js';
import { type QuantizeStaticStage, quantizeStaticStage } from './stages/quantizeStatic.js';
import { recalibrateStage } from './stages/recalibrate.js';
import { reconstructStage } from './stages/reconstruct.js';
import { type Made, onFirstCall, type StageContext, type StageKind } from './stages/stage.js';

/** One step of a compression. */
export type CompressStage =
  | ({ readonly stage: 'prune' } & PruneOptions)
  /** Gives the activations of a pruned network the means and variances they had before. Needs calibration data. */
  | { readonly stage: 'recalibrate' }
  /** Solves for the weights that pruning left, so that each layer puts out what it did before. Needs calibration data. */
  | { readonly stage: 'reconstruct' }
  /** Uses calibration data, if there are any, unless `equalize` and `biasCorrection` are false. */
  | ({ readonly stage: 'quantize-dynamic' } & QuantizeDynamicStage)
  /** Needs calibration data, except beside `ranges`. `keepFloat` is `sensitive` unless given; beside `ranges` nothing. */
  | ({ readonly stage: 'quantize-static' } & QuantizeStaticStage)
  /** Stores weights in half precision. */
  | { readonly stage: 'fp16' };

const KINDS = {
  prune: pruneStage,
  recalibrate: recalibrateStage,
  reconstruct: reconstructStage,
  'quantize-dynamic': quantizeDynamicStage,
  'quantize-static': quantizeStaticStage,
  fp16: fp16Stage,
} as const satisfies Record<CompressStage['stage'], unknown>;

/** What one stage made. */
export interface StageOutcome extends Made {
  /** The stage's kind; with its number where the kind occurs more than once. */
  readonly name: string;
  readonly stage: CompressStage;
}

/** Everything around the stages. */
export interface StageOptions extends Pick<StageContext, 'engine' | 'signal' | 'onProgress'> {
  /** Preprocessed pictures, `[1, H, W, 3]` each. */
  readonly calibration?: readonly Float32Array[] | undefined;
}

/**
 * Runs stages in the order given. The model, the pictures and all stages are checked before the first one starts, each
 * stage against what the model will be by then, so that nobody waits for a calibration to learn of a typing error in the
 * next stage. What a stage makes of a sound model is sound, so nothing is looked through again in between.
 *
 * @throws {NeonsenseError} as the stages do: `ERR_INVALID_ARGUMENT`, `ERR_UNSUPPORTED` (quantizing a quantized model),
 * `ERR_DATASET` (a stage that calibrates, without usable calibration data), `ERR_MODEL_ARCHITECTURE`, `ERR_ABORTED`
 */
export async function runStages(
  model: Model,
  stages: readonly CompressStage[],
  options: StageOptions,
): Promise<StageOutcome[]> {
  const { calibration: pictures, ...rest } = options;
  const checked = checkStages(model, stages, pictures);
  const calibration = pictures === undefined || pictures.length === 0 ? undefined : checked();
  const outcomes: StageOutcome[] = [];
  let current = model;
  let unpruned = model;
  for (const [index, stage] of stages.entries()) {
    throwIfAborted(rest.signal);
    const { kind, own } = kindOf(stage, index);
    const made = await kind.run(current, own, { ...rest, calibration, unpruned });
    outcomes.push({ name: nameOf(stages, index), stage, ...made });
    current = made.model;
    if (stage.stage === 'prune' && stage.method === 'channels') unpruned = current;
  }
  return outcomes;
}

/**
 * Refuses stages that can't work: each by its own options, and by what the model will be when its turn comes.
 *
 * @returns the calibration pictures, checked when they are first asked for
 * @throws {NeonsenseError} see `runStages`
 */
export function checkStages(
  model: Model,
  stages: readonly CompressStage[],
  pictures: readonly Float32Array[] | undefined,
): () => CalibrationSet {
  if (!Array.isArray(stages) || stages.length === 0) {
    throw invalidArgument('stages', 'an array of at least one stage', stages);
  }
  checkModel(model);
  const { architecture, preprocessing } = model;
  const calibration = onFirstCall(() => calibrationSet(pictures, preprocessing));
  stages.reduce((precision, stage, index) => {
    const { kind, own } = kindOf(stage, index);
    const name = `stages[${index}]`;
    check(kind.schema, own, { name });
    return kind.check(own, { name, architecture, preprocessing, precision, calibration });
  }, model.precision);
  return calibration;
}

/** What there is to know about a stage, and its options. */
function kindOf(given: CompressStage, index: number): { kind: StageKind<object>; own: object } {
  const { stage, ...own } = examined(`stages[${index}]`, 'an object', given, () => ({ ...given }));
  if (typeof stage !== 'string' || !Object.hasOwn(KINDS, stage)) {
    throw invalidArgument(`stages[${index}].stage`, `one of ${Object.keys(KINDS).join(', ')}`, stage);
  }
  // Each kind is given its own options only, which its schema has checked.
  return { kind: KINDS[stage] as StageKind<object>, own };
}

/** A stage's options for a report, with what it found along the way; functions can't be written down. */
export function describeStage({ stage: { stage: _, ...given }, model }: StageOutcome): { [key: string]: unknown } {
  const plain = Object.entries(given).filter(([, value]) => typeof value !== 'function');
  return { ...Object.fromEntries(plain), ...model.provenance.at(-1)?.details };
}

function nameOf(stages: readonly CompressStage[], index: number): string {
  const kind = stages[index]!.stage;
  if (stages.filter(({ stage }) => stage === kind).length === 1) return kind;
  return `${kind}-${stages.slice(0, index + 1).filter(({ stage }) => stage === kind).length}`;
}
