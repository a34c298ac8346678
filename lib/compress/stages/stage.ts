import { NeonsenseError, quoted } from '../../errors.js';
import type { Architecture } from '../../model/architecture.js';
import { checkModel } from '../../model/checkModel.js';
import type { Model, Precision, Preprocessing } from '../../model/model.js';
import { layerSpecs } from '../../model/network.js';
import { check, type Schema } from '../../schema/check.js';
import type { ObserveModel } from '../calibrate/calibrate.js';
import { type CalibrationSet, calibrationSet } from '../calibrate/calibrationSet.js';
import type { PruneReport } from '../prune/prune.js';
import type { QuantizeStaticReport } from '../quantize/quantizeStatic.js';
import type { RunModel } from '../quantize/sensitivity.js';

/** What stages need of an engine; injected, because this folder loads none. */
export interface CompressEngine {
  readonly observe: ObserveModel;
  readonly run: RunModel;
}

/** Called as a stage proceeds. */
export type Progress = (what: string, done: number, total: number) => void;

/** What a stage is held against before anything runs: the model as it will be when its turn comes. */
export interface Expected {
  /** How messages call the stage's options: `options`, `stages[1]`. */
  readonly name: string;
  readonly architecture: Architecture;
  readonly preprocessing: Preprocessing;
  readonly precision: Precision;
  /** The pictures given, if any, checked as they are asked for. */
  readonly calibration: () => CalibrationSet;
}

/** Everything around the work of a stage. */
export interface StageContext {
  readonly engine: CompressEngine;
  /** Absent where none was given, which a stage that can't do without has refused by then. */
  readonly calibration: CalibrationSet | undefined;
  /** What repairs aim at: the network as it was before weights were taken out of it. */
  readonly unpruned: Model;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: Progress | undefined;
}

/** What a stage made. */
export interface Made {
  readonly model: Model;
  /** The model whose weights this stage's are to be compared with: what it was given, folded or equalized as it was. */
  readonly reference: Model;
  readonly report?: PruneReport | QuantizeStaticReport;
}

/** One kind of stage: all there is to know about it outside of its algorithm. */
export interface StageKind<Options> {
  /** Of its options; `stage` is not among them. */
  readonly schema: Schema<Options>;
  /**
   * Refuses what can't work on a model like this one.
   *
   * @returns the precision of what the stage will make
   */
  check(options: Options, expected: Expected): Precision;
  run(model: Model, options: Options, context: StageContext): Made | Promise<Made>;
}

/**
 * Checks a model and the options of one stage for a call of its own.
 *
 * @returns the calibration pictures, where the stage uses them
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`, `ERR_MODEL_ARCHITECTURE`, and what the stage refuses
 */
export function accept<Options>(
  kind: StageKind<Options>,
  model: Model,
  options: Options,
  pictures?: readonly Float32Array[],
): CalibrationSet | undefined {
  check(kind.schema, options, { name: 'options' });
  checkModel(model);
  const { architecture, preprocessing, precision } = model;
  const calibration = onFirstCall(() => calibrationSet(pictures, preprocessing));
  kind.check(options, { name: 'options', architecture, preprocessing, precision, calibration });
  return pictures === undefined || pictures.length === 0 ? undefined : calibration();
}

/** Options as callers give them: with pictures that nobody has looked at. */
export type Unchecked<Options extends { readonly calibration: CalibrationSet | undefined }> = Omit<
  Options,
  'calibration'
> & {
  /** Preprocessed pictures, `[1, H, W, 3]` each; 100 or more of the kind the model will see. */
  readonly calibration: readonly Float32Array[];
};

/** `make`, whose result is kept. */
export function onFirstCall<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/**
 * Refuses a model whose weights are int8 by then: each rounding would be of rounded numbers, and the scales of the
 * first would be lost.
 *
 * @param task what was asked for, as a verb phrase
 * @throws {NeonsenseError} `ERR_UNSUPPORTED`
 */
export function requireFloat({ name, precision }: Expected, task: string): void {
  if (precision === 'fp32' || precision === 'fp16') return;
  throw unsupported(name, task, `the model is ${precision} by then: put it before, or start from the FP32 model`);
}

/** As {@link requireFloat}, but half precision will not do either. */
export function requireSingle({ name, precision }: Expected, task: string): void {
  if (precision !== 'fp32') throw unsupported(name, task, `that takes an FP32 model, and it is ${precision} by then`);
}

function unsupported(name: string, task: string, why: string): NeonsenseError {
  return new NeonsenseError('ERR_UNSUPPORTED', `Can't ${task} (\`${name}\`): ${why}`);
}

/**
 * Refuses names that are none of a Conv2d or Linear layer.
 *
 * @param option what the list is called
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`
 */
export function requireLayers(names: readonly string[], option: string, { name, architecture }: Expected): void {
  const known = layerSpecs(architecture).map((spec) => spec.name);
  names.forEach((layer, i) => {
    if (known.includes(layer)) return;
    const examples = `names of layers, such as ${known[1]} or ${known.at(-1)}`;
    throw new NeonsenseError(
      'ERR_INVALID_ARGUMENT',
      `Expected ${examples}, for \`${name}.${option}[${i}]\` but received ${quoted(layer)}`,
    );
  });
}
