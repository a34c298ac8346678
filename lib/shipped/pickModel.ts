import { join } from 'node:path';
import { examined, invalidArgument, NeonsenseError } from '../errors.js';
import { checkModel } from '../model/checkModel.js';
import { encodeModel, type ReadModelOptions } from '../model/files.js';
import type { UncheckedContent } from '../model/format/contentHash.js';
import type { Model } from '../model/model.js';
import { loadBinding } from '../runtime/load/load.js';
import {
  chooseByRules,
  choosePrecision,
  type Device,
  hasHalfPrecision,
  measuredVariants,
  presentVariants,
  thisDevice,
  type VariantChoice,
  variantNamed,
  withHalfPrecision,
} from './chooseVariant.js';
import { type Manifest, modelsFolder, readManifest, type Variant } from './manifest.js';
import type { MeasuredCandidate } from './measureVariants.js';
import { readModel, readModelUnchecked } from './readModel.js';

/** The part of a classifier's options that says which model runs. */
export interface PickOptions extends Pick<ReadModelOptions, 'key' | 'padding' | 'batchNormEpsilon' | 'limits'> {
  /** Which shipped model: a name of models/manifest.json, or `auto`, the default. Only without a model of one's own. */
  readonly variant?: string | undefined;
  /**
   * `auto`: quantize a float model of one's own to INT8 while loading if that is faster on this CPU, and compute float
   * parts in half precision if the CPU has that, also of the models that come with the package. Values beyond 65,504
   * overflow in half precision.
   */
  readonly precision?: 'auto' | undefined;
  /** Let `auto` measure the candidates instead of going by rules; the result is kept in a cache file. Default false. */
  readonly measure?: boolean | undefined;
  readonly threads?: number | undefined;
}

/** What to run. */
export interface PickedModel {
  readonly model: Model;
  /** Absent where nothing was to be chosen. */
  readonly choice?: VariantChoice;
  /** Whether the model's memory may become the session's. */
  readonly consume: boolean;
  /** What was left to whoever uses the model, see `readModelUnchecked`. */
  readonly unchecked?: UncheckedContent | undefined;
}

/**
 * Reads the model that was asked for, or chooses one for this machine. The addon is loaded on the way.
 *
 * @param source a file's path or bytes, a model, or undefined for the models that come with the package
 * @param folder of the models that come with the package
 * @param mayLeave whether a file's content may be left unchecked
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for options that contradict each other; what `readManifest`,
 *   `readModel`, `loadBinding` and `createSession` throw
 */
export async function pickModel(
  source: string | Uint8Array | Model | undefined,
  options: PickOptions,
  folder: string = modelsFolder,
  mayLeave = false,
): Promise<PickedModel> {
  checkPickOptions(source, options);
  if (source === undefined) return pickShipped(options, folder, mayLeave);
  const given = isModel(source);
  const { key, padding, batchNormEpsilon, limits } = options;
  // What is quantized first is looked at before.
  const mayWait = mayLeave && options.precision === undefined;
  const reading = given
    ? { model: source }
    : readPicked(checkSource(source), { key, padding, batchNormEpsilon, limits }, mayWait);
  // The addon is loaded while the file is read.
  const [{ model, ...unchecked }, binding] = await Promise.all([reading, Promise.resolve().then(loadBinding)]);
  if (options.precision === undefined) return { model, consume: !given, ...unchecked };
  const { quantize, choice } =
    options.measure === true
      ? await measurePrecision(model, thisDevice(binding), options)
      : choosePrecision(model, thisDevice(binding));
  return { model: quantize ? await quantized(model) : model, choice, consume: !given };
}

/**
 * Chooses among the models that come with the package, by the manifest's rules or by measuring, without loading one
 * for good.
 *
 * @throws {NeonsenseError} as {@link pickModel}
 */
export async function chooseShipped(
  options: PickOptions = {},
  device: () => Device = () => thisDevice(loadBinding()),
  folder: string = modelsFolder,
): Promise<{ readonly variant: Variant; readonly choice: VariantChoice }> {
  const manifest = readManifest(folder);
  const present = presentVariants(manifest, folder);
  if (options.variant !== undefined && options.variant !== 'auto') {
    const variant = variantNamed(manifest, present, options.variant);
    return { variant, choice: { variant: variant.name, reason: 'it was asked for by name' } };
  }
  return options.measure === true
    ? measureShipped(manifest, present, device(), options, folder)
    : chosenByRules(manifest, present, device(), options);
}

function chosenByRules(manifest: Manifest, present: readonly Variant[], device: Device, { precision }: PickOptions) {
  const { variant, choice } = chooseByRules(manifest, present, device);
  return { variant, choice: precision === 'auto' ? withHalfPrecision(choice, device) : choice };
}

async function pickShipped(options: PickOptions, folder: string, mayLeave: boolean): Promise<PickedModel> {
  const { variant, choice } = await chooseShipped(options, undefined, folder);
  const [read] = await Promise.all([
    readPicked(join(folder, variant.file), {}, mayLeave),
    // Also for a variant that was asked for by name.
    Promise.resolve().then(loadBinding),
  ]);
  return { ...read, choice, consume: true };
}

async function readPicked(
  source: string | Uint8Array,
  options: ReadModelOptions,
  mayLeave: boolean,
): Promise<Pick<PickedModel, 'model' | 'unchecked'>> {
  if (!mayLeave) return { model: await readModel(source, options) };
  let unchecked: UncheckedContent | undefined;
  const model = await readModelUnchecked(source, options, (content) => {
    unchecked = content;
  });
  return { model, unchecked };
}

async function measureShipped(
  manifest: Manifest,
  present: readonly Variant[],
  device: Device,
  { threads, precision }: PickOptions,
  folder: string,
): Promise<{ readonly variant: Variant; readonly choice: VariantChoice }> {
  const candidates = measuredVariants(manifest, present).sort((a, b) => b.top1 - a.top1);
  if (candidates.length === 0) return chooseByRules(manifest, present, { features: [], availableMemory: 0 });
  // Not loaded by those who go by the rules.
  const { chooseByMeasurement } = await import('./measureVariants.js');
  const choice = await chooseByMeasurement(
    candidates.map(({ name, file, sha256, sparse }) => ({
      name,
      identity: sha256,
      sparse,
      fp16: precision === 'auto' && !sparse && hasHalfPrecision(device),
      consume: true,
      load: () => readModel(join(folder, file)),
    })),
    { threads, tolerance: manifest.measure.tolerance },
  );
  return { variant: candidates.find(({ name }) => name === choice.variant)!, choice };
}

/** For a model of one's own nobody knows what INT8 costs in accuracy, so it has to be faster by more than noise. */
const OWN_TOLERANCE = 0.05;

async function measurePrecision(
  model: Model,
  device: Device,
  { threads }: PickOptions,
): Promise<{ readonly quantize: boolean; readonly choice: VariantChoice }> {
  const known = choosePrecision(model, device);
  if (model.precision !== 'fp32' && model.precision !== 'fp16') return known;
  const { createHash } = await import('node:crypto');
  const identity = createHash('sha256').update(encodeModel(model)).digest('hex');
  const fp16 = hasHalfPrecision(device);
  const candidate = (name: string, load: () => Promise<Model>): MeasuredCandidate => {
    return { name, identity, sparse: !fp16, fp16, consume: false, load };
  };
  const { chooseByMeasurement } = await import('./measureVariants.js');
  const choice = await chooseByMeasurement(
    [candidate(model.precision, async () => model), candidate('int8-dynamic', () => quantized(model))],
    { threads, tolerance: OWN_TOLERANCE },
  );
  return { quantize: choice.variant === 'int8-dynamic', choice };
}

async function quantized(model: Model): Promise<Model> {
  const { toInt8Dynamic } = await import('../compress/quantize/quantizeDynamic.js');
  checkModel(model);
  return toInt8Dynamic(model);
}

function checkPickOptions(source: unknown, { variant, precision, measure, ...rest }: PickOptions): void {
  for (const name of ['key', 'padding', 'batchNormEpsilon'] as const) {
    if (rest[name] === undefined || typeof source === 'string' || source instanceof Uint8Array) continue;
    throw invalidArgument(`options.${name}`, 'nothing without a checkpoint to read', rest[name]);
  }
  if (variant !== undefined && source !== undefined) {
    throw new NeonsenseError(
      'ERR_INVALID_ARGUMENT',
      '`options.variant` chooses among the models that come with neonsense, but a model was given: leave one out, or ' +
        "use `precision: 'auto'`",
    );
  }
  if (precision !== undefined && precision !== 'auto') throw invalidArgument('options.precision', "'auto'", precision);
  if (measure !== undefined && typeof measure !== 'boolean') {
    throw invalidArgument('options.measure', 'true or false', measure);
  }
  const named = variant !== undefined && variant !== 'auto';
  if (named && precision !== undefined) {
    throw invalidArgument('options.variant', "'auto', or no `options.precision`,", variant);
  }
  if (measure === true && (named || (source !== undefined && precision === undefined))) {
    throw new NeonsenseError(
      'ERR_INVALID_ARGUMENT',
      "`options.measure` has nothing to choose between: it needs `variant: 'auto'`, or `precision: 'auto'` with a " +
        'model of your own',
    );
  }
}

const MODEL_SOURCE = "a model file's path or bytes, or a Model";

/** Whether a value is a model, by its shape. */
export function isModel(source: unknown): source is Model {
  return examined(
    'source',
    MODEL_SOURCE,
    source,
    () => typeof source === 'object' && source !== null && 'layers' in source && 'architecture' in source,
  );
}

function checkSource(source: unknown): string | Uint8Array {
  return examined('source', MODEL_SOURCE, source, () => {
    if (source instanceof Uint8Array || (typeof source === 'string' && source !== '')) return source;
    throw invalidArgument('source', MODEL_SOURCE, source);
  });
}
