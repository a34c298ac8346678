import { invalidArgument, NeonsenseError, throwIfAborted } from '../errors.js';
import { foldModel } from '../model/foldBatchNorm.js';
import type { Model, Precision } from '../model/model.js';
import { calibrate, type ObserveModel, requireCalibration } from './calibrate/calibrate.js';
import { checkPruneOptions, type PruneOptions, type PruneReport, prune } from './prune/prune.js';
import type { KeepFloatTarget, RunModel } from './prune/sensitivity.js';
import { toFp16 } from './quantize/fp16.js';
import {
  inSinglePrecision,
  type QuantizeDynamicOptions,
  quantizeDynamic,
  tinyLayers,
} from './quantize/quantizeDynamic.js';
import { type QuantizeStaticOptions, type QuantizeStaticReport, quantizeStatic } from './quantize/quantizeStatic.js';
import { equalizeCalibrated } from './repair/equalizeCalibrated.js';
import { recalibrate } from './repair/recalibrate.js';
import { reconstruct } from './repair/reconstruct.js';
import { requireFiniteWeights, requireLayerNames } from './requirements.js';

/** One step of a compression. */
export type CompressStage =
  | ({ readonly stage: 'prune' } & PruneOptions)
  /** Gives the activations of a pruned network the means and variances they had before. Needs calibration data. */
  | { readonly stage: 'recalibrate' }
  /** Solves for the weights that pruning left, so that each layer puts out what it did before. Needs calibration data. */
  | { readonly stage: 'reconstruct' }
  /**
   * With scope `all`, calibration data are used to even out channels and to correct biases, unless `equalize` or
   * `biasCorrection` is false. Where channels are even, `keepFloat` is `tinyLayers` unless given.
   */
  | ({
      readonly stage: 'quantize-dynamic';
      readonly equalize?: boolean;
      readonly biasCorrection?: boolean;
    } & Omit<QuantizeDynamicOptions, 'means'>)
  /** Needs calibration data, except beside `ranges`. `keepFloat` is `sensitive` unless given; beside `ranges` nothing. */
  | ({ readonly stage: 'quantize-static'; readonly target?: KeepFloatTarget } & Pick<
      QuantizeStaticOptions,
      'ranges' | 'observer' | 'percentile' | 'keepFloat' | 'activations' | 'equalize' | 'biasCorrection'
    >)
  /** Stores weights in half precision. */
  | { readonly stage: 'fp16' };

/** What stages need of an engine; injected, because this folder loads none. */
export interface CompressEngine {
  readonly observe: ObserveModel;
  readonly run: RunModel;
}

/** What one stage made. */
export interface StageOutcome {
  /** The stage's kind; with its number where the kind occurs more than once. */
  readonly name: string;
  readonly stage: CompressStage;
  readonly model: Model;
  /** The model whose weights this stage's are to be compared with: what it was given, folded or equalized as it was. */
  readonly reference: Model;
  readonly report?: PruneReport | QuantizeStaticReport;
}

/** Everything around the stages. */
export interface StageOptions {
  /** Preprocessed pictures, `[1, H, W, 3]` each. */
  readonly calibration?: readonly Float32Array[];
  readonly engine: CompressEngine;
  readonly signal?: AbortSignal;
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/**
 * Runs stages in the order given. All of them are checked before the first one starts, each against what the model will
 * be by then, so that nobody waits for a calibration to learn of a typing error in the next stage.
 *
 * @throws NeonsenseError as the stages do: `ERR_INVALID_ARGUMENT`, `ERR_UNSUPPORTED` (quantizing a quantized model),
 * `ERR_DATASET` (a stage that calibrates, without usable calibration data), `ERR_MODEL_ARCHITECTURE`, `ERR_ABORTED`
 */
export async function runStages(
  model: Model,
  stages: readonly CompressStage[],
  options: StageOptions,
): Promise<StageOutcome[]> {
  checkStages(model, stages, options.calibration);
  const outcomes: StageOutcome[] = [];
  let current = model;
  // What repairs aim at: the network as it was before weights were taken out of it.
  let unpruned = model;
  for (const [index, stage] of stages.entries()) {
    throwIfAborted(options.signal);
    const outcome = await runStage(current, stage, unpruned, options);
    outcomes.push({ name: nameOf(stages, index), stage, ...outcome });
    current = outcome.model;
    if (stage.stage === 'prune' && stage.method === 'channels') unpruned = current;
  }
  return outcomes;
}

async function runStage(
  model: Model,
  stage: CompressStage,
  unpruned: Model,
  options: StageOptions,
): Promise<Omit<StageOutcome, 'name' | 'stage'>> {
  const { calibration = [], engine, signal, onProgress } = options;
  const hooks = {
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  };
  switch (stage.stage) {
    case 'prune': {
      const { stage: _, ...pruneOptions } = stage;
      const pruned = prune(model, pruneOptions);
      return { ...pruned, reference: model };
    }
    case 'recalibrate': {
      const repaired = await recalibrate(model, {
        reference: unpruned,
        calibration,
        observe: engine.observe,
        ...(signal === undefined ? {} : { signal }),
        ...(onProgress === undefined ? {} : { onProgress: (done, total) => onProgress('recalibration', done, total) }),
      });
      return { model: repaired, reference: model };
    }
    case 'reconstruct': {
      const repaired = await reconstruct(model, {
        reference: unpruned,
        calibration,
        observe: engine.observe,
        ...(signal === undefined ? {} : { signal }),
        ...(onProgress === undefined ? {} : { onProgress: (done, total) => onProgress('reconstruction', done, total) }),
      });
      return { model: repaired, reference: unpruned };
    }
    case 'quantize-dynamic': {
      const { stage: _, equalize = true, biasCorrection = true, ...rest } = stage;
      // PyTorch's way, scope `linear`, stays PyTorch's.
      const usesCalibration = (rest.scope ?? 'all') === 'all' && calibration.length > 0;
      if (!usesCalibration || !(equalize || biasCorrection)) {
        return { model: quantizeDynamic(model, rest), reference: model };
      }
      const observed = (float: Model) => calibrate(float, calibration, engine.observe, signal);
      const folded = foldModel(inSinglePrecision(model));
      const { float, observers } = equalize
        ? await equalizeCalibrated(folded, observed)
        : { float: folded, observers: await observed(folded) };
      const means = new Map([...observers].map(([name, observer]) => [name, observer.channelMeans()]));
      const quantized = quantizeDynamic(float, {
        ...(equalize ? { keepFloat: tinyLayers(model.architecture) } : {}),
        ...rest,
        ...(biasCorrection ? { means } : {}),
      });
      return { model: withDetails(quantized, { equalize }), reference: float };
    }
    case 'quantize-static': {
      const { stage: _, target, keepFloat = stage.ranges === undefined ? 'sensitive' : [], ...rest } = stage;
      const {
        model: quantized,
        float,
        report,
      } = await quantizeStatic(model, {
        ...rest,
        ...hooks,
        calibration,
        keepFloat,
        observe: engine.observe,
        search: { ...target, run: engine.run },
      });
      return { model: quantized, reference: float, report };
    }
    case 'fp16':
      return { model: toFp16(model), reference: model };
  }
}

/**
 * Refuses stages that can't work: each by its own options, and by what the model will be when its turn comes.
 *
 * @throws NeonsenseError see `runStages`
 */
export function checkStages(
  model: Model,
  stages: readonly CompressStage[],
  calibration: readonly Float32Array[] | undefined,
): void {
  if (!Array.isArray(stages) || stages.length === 0) {
    throw invalidArgument('stages', 'an array of at least one stage', stages);
  }
  requireFiniteWeights(model);
  let precision: Precision = model.precision;
  stages.forEach((stage: CompressStage, index) => {
    const where = `stages[${index}] (${stage.stage})`;
    const requireFloatNow = (): void => {
      if (precision === 'int8-dynamic' || precision === 'int8-static') {
        throw new NeonsenseError('ERR_UNSUPPORTED', `${where} comes after the model is ${precision}: put it before`);
      }
    };
    switch (stage.stage) {
      case 'prune':
        checkPruneOptions(stage, model.architecture);
        if (stage.method === 'channels') requireFloatNow();
        break;
      case 'recalibrate':
      case 'reconstruct':
        requireCalibration(model, calibration ?? []);
        if (precision !== 'fp32') {
          throw new NeonsenseError('ERR_UNSUPPORTED', `${where} needs an FP32 model but it is ${precision} by then`);
        }
        break;
      case 'quantize-dynamic':
        requireFloatNow();
        if (stage.keepFloat !== undefined) requireLayerNames('keepFloat', stage.keepFloat, model.architecture);
        precision = 'int8-dynamic';
        break;
      case 'quantize-static':
        requireFloatNow();
        if (stage.ranges === undefined) requireCalibration(model, calibration ?? []);
        precision = 'int8-static';
        break;
      case 'fp16':
        requireFloatNow();
        if (precision === 'fp16') {
          throw new NeonsenseError('ERR_UNSUPPORTED', `${where} comes after the model is stored as FP16 already`);
        }
        precision = 'fp16';
        break;
      default:
        throw invalidArgument(
          `stages[${index}].stage`,
          "'prune', 'recalibrate', 'reconstruct', 'quantize-dynamic', 'quantize-static' or 'fp16'",
          (stage as { stage: unknown }).stage,
        );
    }
  });
}

/** Adds to what the last step of a model's provenance says. */
function withDetails(model: Model, details: { readonly [key: string]: unknown }): Model {
  const last = model.provenance.at(-1)!;
  const step = { ...last, details: { ...last.details, ...details } };
  return { ...model, provenance: [...model.provenance.slice(0, -1), step] };
}

function nameOf(stages: readonly CompressStage[], index: number): string {
  const kind = stages[index]!.stage;
  if (stages.filter(({ stage }) => stage === kind).length === 1) return kind;
  return `${kind}-${stages.slice(0, index + 1).filter(({ stage }) => stage === kind).length}`;
}
