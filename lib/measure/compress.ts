import { type CompressStage, describeStage, runStages, type StageOutcome } from '../compress/pipeline.js';
import { checkGoals, GOAL_METRICS, type Goals, type GoalValues, parseGoals } from '../compress/report/goals.js';
import { layerStatistics } from '../compress/report/layerStatistics.js';
import type { CompressReport, MeasuredStage } from '../compress/report/report.js';
import type { CompressEngine } from '../compress/stages/stage.js';
import { examined, invalidArgument, shortened, throwIfAborted } from '../errors.js';
import { checkModel } from '../model/checkModel.js';
import { encodeModel } from '../model/files.js';
import { inspectModel } from '../model/inspect.js';
import type { Model } from '../model/model.js';
import { compareLogits, type LogitComparison } from '../numbers/compareLogits.js';
import { median } from '../numbers/quantile.js';
import { type ScoredPictures, scoredImages } from '../numbers/scoredImages.js';
import { createSession, type Session } from '../runtime/session.js';
import { timeInTurn } from '../runtime/timeInTurn.js';
import { checkCompareOptions, checkCompressOptions } from './compressOptions.js';

/** A model and what it is called in the results. */
export interface NamedModel {
  readonly name: string;
  readonly model: Model;
}

/** What an evaluation says of one model; `evaluate` gives it. */
export interface ModelScore extends ScoredPictures {
  /** Shares of the pictures; with a reject class, of those that show one of the others. */
  readonly top1: number;
  readonly top5: number;
  /** Share of pictures on which each other model names the same class. */
  readonly agreement: Readonly<Record<string, number>>;
  /** Pictures that this model names right and each other one wrong. */
  readonly rightAlone?: Readonly<Record<string, number>> | undefined;
}

/** Options of {@link compress}. */
export interface CompressOptions {
  /** What to do, in this order. */
  readonly stages: readonly CompressStage[];
  /** Preprocessed pictures, `[1, H, W, 3]` each, for the stages that calibrate. */
  readonly calibration?: readonly Float32Array[] | undefined;
  /** Scores models on one data set, in the order given: `(models) => evaluate(models, dataset)`. */
  readonly evaluate?: ((models: readonly NamedModel[]) => Promise<readonly ModelScore[]>) | undefined;
  /** How latency is measured; `false` leaves it out. */
  readonly latency?: LatencyOptions | false | undefined;
  /** Goals for the result, for example `size=-30%,latency=-40%,accuracy=-5%`. A goal that is missed is reported. */
  readonly require?: string | Goals | undefined;
  /** Goes into the report as it is: what was compressed, on which machine. */
  readonly environment?: { readonly [key: string]: string } | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((what: string, done: number, total: number) => void) | undefined;
  /** Told what will probably go wrong, before the work. Default: a warning of Node's. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** How latency is measured. */
export interface LatencyOptions {
  /** Rounds, in each of which every model runs one picture. Default 200. */
  readonly runs?: number | undefined;
  /** Rounds before that are not counted. Default 20. */
  readonly warmup?: number | undefined;
  /** Default 1. */
  readonly threads?: number | undefined;
}

/** What `compress` gives back. */
export interface CompressResult {
  /** What the last stage made. */
  readonly model: Model;
  /** What each stage made, in order. */
  readonly stages: readonly StageOutcome[];
  readonly report: CompressReport;
  /** Whether every goal was met; true where there were none. */
  readonly passed: boolean;
}

/**
 * Compresses a model stage by stage and measures the original and every intermediate model: size, zeros, accuracy and
 * agreement on the data given, and latency, all models taking turns in one run so that drift of the machine hits each.
 *
 * @throws {NeonsenseError} as the stages do (see `runStages`); `ERR_INVALID_ARGUMENT` for goals that can't be read or
 * checked; what `evaluate` and `createSession` throw
 */
export async function compress(model: Model, options: CompressOptions): Promise<CompressResult> {
  checkCompressOptions(options);
  const goals = goalsOf(options);
  const { signal, onProgress, onWarning = warn } = options;
  if (prunesBlindly(options)) onWarning(PRUNED_BLINDLY);
  const outcomes = await runStages(model, options.stages, {
    engine: COMPRESS_ENGINE,
    calibration: options.calibration,
    signal,
    onProgress,
  });
  const models: NamedModel[] = [{ name: 'baseline', model }, ...outcomes];
  const scores = await options.evaluate?.(models.map(({ name, model: made }) => ({ name, model: made })));
  const latency =
    options.latency === false
      ? undefined
      : await measureLatency(
          models.map((named) => named.model),
          options.latency ?? {},
          { signal, onProgress },
        );

  const stages = models.map((named, index): MeasuredStage => {
    const outcome = outcomes[index - 1];
    const { parameters, sparsity } = inspectModel(named.model);
    const score = scores?.[index];
    const report = outcome?.report;
    return {
      name: named.name,
      precision: named.model.precision,
      options: outcome === undefined ? {} : describeStage(outcome),
      bytes: encodeModel(named.model).length,
      sparsity,
      parameters,
      ...(score === undefined
        ? {}
        : {
            accuracy: {
              top1: score.top1,
              top5: score.top5,
              agreement: index === 0 ? 1 : (score.agreement['baseline'] ?? Number.NaN),
              images: scoredImages(score),
              ...(index === 0 ? {} : pairedCounts(scores![0]!, score, named.name)),
            },
          }),
      ...(latency === undefined
        ? {}
        : {
            latency: {
              ms: latency.medians[index]!,
              ratio: latency.medians[index]! / latency.medians[0]!,
              runs: latency.runs,
              threads: latency.threads,
            },
          }),
      layers: layerStatistics(named.model, outcome?.reference ?? named.model),
      ...(report !== undefined && 'channels' in report ? { channels: report.channels } : {}),
    };
  });
  const valuesOf = ({ bytes, latency: time, accuracy }: MeasuredStage): GoalValues => ({
    bytes,
    latency: time?.ms,
    top1: accuracy?.top1,
  });
  const results = checkGoals(goals, valuesOf(stages[0]!), valuesOf(stages.at(-1)!));
  return {
    model: outcomes.at(-1)!.model,
    stages: outcomes,
    report: {
      date: new Date().toISOString(),
      environment: options.environment ?? {},
      stages,
      goals: results,
    },
    passed: results.every(({ met }) => met),
  };
}

/** How many pictures only one of two names right, where that was counted. */
function pairedCounts(baseline: ModelScore, score: ModelScore, name: string): { lost?: number; gained?: number } {
  const [lost, gained] = [baseline.rightAlone?.[name], score.rightAlone?.['baseline']];
  return lost === undefined || gained === undefined ? {} : { lost, gained };
}

/** What 30 % of zeros left of household-fp32 in 2026: 14.6 % instead of 90.8 % of the test pictures named right. */
const PRUNED_BLINDLY =
  'pruning without calibration pictures may leave a network that names almost nothing right; give some, so that the ' +
  'weights that stay can make up for it';

/** Whether weights are taken away and nothing can make up for them. */
function prunesBlindly({ stages, calibration }: CompressOptions): boolean {
  return (calibration === undefined || calibration.length === 0) && stages.some(({ stage }) => stage === 'prune');
}

function warn(message: string): void {
  process.emitWarning(message, { type: 'NeonsenseWarning' });
}

/** Goals as an object, refused before the work where nothing will be measured to hold them against. */
function goalsOf({ require = {}, evaluate, latency }: CompressOptions): Goals {
  const goals: Goals = typeof require === 'string' ? parseGoals(require) : readGoals(require);
  if (goals.accuracy !== undefined && evaluate === undefined) {
    throw invalidArgument('evaluate', 'evaluation data beside a goal for accuracy', evaluate);
  }
  if (goals.latency !== undefined && latency === false) {
    throw invalidArgument('latency', 'a measurement beside a goal for latency', latency);
  }
  return goals;
}

function readGoals(require: Goals): Goals {
  const expected = 'goals such as size=-30%,latency=-40%,accuracy=-5%';
  const goals = examined('options.require', expected, require, () => ({ ...require }));
  for (const [metric, change] of Object.entries(goals)) {
    const known = (GOAL_METRICS as readonly string[]).includes(metric);
    if (!known || (change !== undefined && !Number.isFinite(change))) {
      throw invalidArgument(`options.require.${shortened(metric)}`, known ? 'a finite number' : expected, change);
    }
  }
  return goals;
}

/** The engine as compression takes it: sessions on one thread, freed when their pictures are through. */
export const COMPRESS_ENGINE: CompressEngine = {
  async *observe(model, values, inputs) {
    const pictures = listed(inputs);
    await using session = await createSession(model, { threads: 1, outputs: values });
    for (const input of pictures) yield await session.runAll(input);
  },
  async run(model, inputs) {
    const pictures = listed(inputs);
    await using session = await createSession(model, { threads: 1 });
    const logits: Float32Array[] = [];
    for (const input of pictures) logits.push(await session.run(input));
    return logits;
  },
};

function listed(inputs: readonly Float32Array[]): readonly Float32Array[] {
  return examined('inputs', 'an array of preprocessed pictures', inputs, () => Array.from(inputs));
}

/** Median milliseconds of one picture for each model; in every round each runs once. */
async function measureLatency(
  models: readonly Model[],
  { runs = 200, warmup = 20, threads = 1 }: LatencyOptions,
  { signal, onProgress }: { signal: AbortSignal | undefined; onProgress: CompressOptions['onProgress'] | undefined },
): Promise<{ medians: number[]; runs: number; threads: number }> {
  const sessions: Session[] = [];
  try {
    for (const model of models) sessions.push(await createSession(model, { threads }));
    const [height, width] = models[0]!.preprocessing.size;
    const input = generatedPicture(height * width * 3, 0);
    const samples = await timeInTurn(
      sessions.map((session) => () => session.run(input)),
      {
        warmup,
        rounds: runs,
        onRound: (round) => {
          throwIfAborted(signal);
          if (round % 20 === 0) onProgress?.('latency', round, warmup + runs);
        },
      },
    );
    return { medians: samples.map(median), runs, threads };
  } finally {
    await Promise.all(sessions.map((session) => session.dispose()));
  }
}

/** Options of {@link compareModels}. */
export interface CompareOptions {
  /** Preprocessed pictures, `[1, H, W, 3]` each. Default: 16 generated ones. */
  readonly inputs?: readonly Float32Array[] | undefined;
  /** Default 1. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What `compareModels` gives back. */
export interface ModelComparison {
  /** The first model against the second. */
  readonly models: LogitComparison;
  /** Each model's pictures run one by one against the same pictures in one batch. */
  readonly singleAgainstBatch: readonly [first: LogitComparison, second: LogitComparison];
}

/**
 * The check before a deployment: whether two models, say one as it left training and one as it ships, give the same
 * logits on the same pictures, and whether each gives a picture the same logits alone and in a batch.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` where the two differ in classes or input size or an input does not fit;
 * `ERR_ABORTED`
 */
export async function compareModels(
  first: Model,
  second: Model,
  options: CompareOptions = {},
): Promise<ModelComparison> {
  checkCompareOptions(options);
  checkModel(first, 'first');
  checkModel(second, 'second');
  const { classes } = first.architecture;
  if (second.architecture.classes !== classes) {
    throw invalidArgument('second', `a model with ${classes} classes`, second.architecture.classes);
  }
  const size = first.preprocessing.size.join(' x ');
  if (second.preprocessing.size.join(' x ') !== size) {
    throw invalidArgument('second', `a model with ${size} input`, second.preprocessing.size.join(' x '));
  }
  const [height, width] = first.preprocessing.size;
  const length = height * width * 3;
  const inputs = listed(options.inputs ?? Array.from({ length: 16 }, (_, i) => generatedPicture(length, i)));
  if (inputs.length === 0) throw invalidArgument('inputs', 'at least one picture', inputs);
  const batch = new Float32Array(inputs.length * length);
  inputs.forEach((input, index) => {
    const expected = `a Float32Array of ${length}`;
    examined(`inputs[${index}]`, expected, input, () => {
      if (!(input instanceof Float32Array) || input.length !== length) {
        throw invalidArgument(`inputs[${index}]`, expected, input);
      }
      batch.set(input, index * length);
    });
  });

  const logitsOf = async (model: Model): Promise<{ single: Float32Array; batched: Float32Array }> => {
    await using session = await createSession(model, { threads: options.threads ?? 1 });
    const single = new Float32Array(inputs.length * classes);
    for (const [index, input] of inputs.entries()) {
      throwIfAborted(options.signal);
      single.set(await session.run(input), index * classes);
    }
    const batched = await session.run(batch, options.signal === undefined ? {} : { signal: options.signal });
    return { single, batched };
  };
  const a = await logitsOf(first);
  const b = await logitsOf(second);
  return {
    models: compareLogits(a.single, b.single, classes),
    singleAgainstBatch: [compareLogits(a.single, a.batched, classes), compareLogits(b.single, b.batched, classes)],
  };
}

/** Smooth numbers between -2 and 2, a different pattern for each `seed`: a stand-in for a normalized picture. */
function generatedPicture(length: number, seed: number): Float32Array {
  return Float32Array.from(
    { length },
    (_, i) => Math.sin(i * (0.002 + 0.0007 * seed) + seed) + Math.sin(i * 0.037 * (seed + 1)),
  );
}
