import type { FileHandle } from 'node:fs/promises';
import { examined, fileError, invalidArgument, NeonsenseError, shortened } from '../errors.js';
import type { Limits } from '../files/limits.js';
import { Budget, resolveLimits } from '../files/limits.js';
import { openRegularFile } from '../files/openFile.js';
import { withConventions } from './architecture.js';
import { checkTranslations } from './checkModel.js';
import { foreignFile, HEAD_BYTES } from './fileKind.js';
import type { UncheckedContent } from './format/contentHash.js';
import { decodeModelSteps, isModelFile } from './format/decode.js';
import { encodeModel } from './format/encode.js';
import { looksLikeSafetensors, parseSafetensors } from './format/safetensors.js';
import type { Model, Translations } from './model.js';
import { type Preprocessing, type PreprocessingPreset, preprocessingFrom } from './preprocessing.js';
import { inTurns } from './steps.js';

export { encodeModel } from './format/encode.js';

/** What a checkpoint does not say about itself; given values replace those of the file. */
export interface ReadModelOptions {
  /**
   * One name per class, in the order of the logits. Default for a bare checkpoint: ImageNet's where it has 1,000 classes,
   * else `class 0`, `class 1`, ...
   */
  readonly labels?: readonly string[] | undefined;
  /** The labels in other languages, see `Model.translations`. Those of the file are dropped when `labels` replaces its labels. */
  readonly translations?: Translations | undefined;
  /** A preset's name or all of it. Default for a bare checkpoint: a usual one, which says that it is `assumed`. */
  readonly preprocessing?: Preprocessing | PreprocessingPreset | undefined;
  /**
   * Which network of a checkpoint that holds several, by the keys that lead to it: `ema`, `state_dict.teacher`. Whatever
   * stands beside a network named so is left out.
   */
  readonly key?: string | undefined;
  /**
   * How a bare checkpoint's network pads its pictures: `same` as TensorFlow does, in timm's networks of names with `tf_`.
   * Weights do not show it. Default: as the library does whose names the tensors have.
   */
  readonly padding?: 'torch' | 'same' | undefined;
  /** What the batch norms of a bare checkpoint add to the variance; 0.001 in torchvision, 0.00001 in timm. */
  readonly batchNormEpsilon?: number | undefined;
  /** What reading the file may cost at most. The defaults fit every checkpoint many times over. */
  readonly limits?: Limits | undefined;
}

/**
 * Reads a model from `file`, a path or the bytes of a file, telling by the content which kind it is.
 *
 * @throws {NeonsenseError} as the public `readModel` does, which knows names too.
 */
export async function readModel(file: string | Uint8Array, options: ReadModelOptions = {}): Promise<Model> {
  const own = ownOptions(options);
  return withOptions(await readBare(file, own, { isStrict: true }), own);
}

/**
 * As {@link readModel}, but of a file in this package's format the caller sees to what takes longest.
 *
 * @param leave is given what is not checked yet, see `decodeModelSteps`; not called for other files
 */
export async function readModelUnchecked(
  file: string | Uint8Array,
  options: ReadModelOptions,
  leave: (content: UncheckedContent) => void,
): Promise<Model> {
  const own = ownOptions(options);
  return withOptions(await readBare(file, own, { isStrict: true, leave }), own);
}

/**
 * As {@link readModel}, for one of several files that `options` are said of together: what they say of checkpoints does not
 * count for a file that is none.
 */
export async function readCheckpointOrModel(file: string, options: ReadModelOptions): Promise<Model> {
  const own = ownOptions(options);
  return withOptions(await readBare(file, own, { isStrict: false }), own);
}

function ownOptions(options: ReadModelOptions): ReadModelOptions {
  return examined('options', 'an object', options, () => {
    checkOptions(options);
    return { ...options };
  });
}

interface Strictness {
  /** Whether to refuse what is said of checkpoints alone when the file is none. */
  readonly isStrict: boolean;
  readonly leave?: (content: UncheckedContent) => void;
}

async function readBare(file: string | Uint8Array, options: ReadModelOptions, strictness: Strictness): Promise<Model> {
  examined('file', 'a path or a Uint8Array', file, () => {
    if (typeof file === 'string' || file instanceof Uint8Array) return;
    throw invalidArgument('file', 'a path or a Uint8Array', file);
  });
  const budget = new Budget(resolveLimits(options.limits));
  try {
    // A model never changes: the caller's bytes are copied, because the caller may go on using them.
    const bytes = typeof file === 'string' ? await readFile(file, budget) : copied(file, budget);
    return await decode(bytes, budget, { ...options, ...strictness }, typeof file === 'string' ? file : undefined);
  } catch (error) {
    if (typeof file !== 'string' || !(error instanceof NeonsenseError)) throw error;
    throw new NeonsenseError(error.code, `${shortened(file)}: ${error.message}`, { cause: error });
  }
}

/**
 * Writes `model` to `file`, whole or not at all, in this package's format.
 *
 * @throws {NeonsenseError} as `encodeModel` does; `ERR_NOT_FOUND` or `ERR_IO` when the file cannot be written.
 */
export async function writeModel(model: Model, file: string): Promise<{ bytes: number }> {
  if (typeof file !== 'string' || file === '') throw invalidArgument('file', 'a path', file);
  const encoded = encodeModel(model);
  const { writeFileAtomically } = await import('../files/writeFile.js');
  await writeFileAtomically(file, encoded);
  return { bytes: encoded.length };
}

/** @param path where the bytes come from: what stands there beside a bare network is read too */
async function decode(
  bytes: Uint8Array,
  budget: Budget,
  options: ReadModelOptions & Strictness,
  path: string | undefined,
): Promise<Model> {
  const { key } = options;
  if (looksLikeZip(bytes)) {
    // Most models are not checkpoints; only these pay for loading what reads checkpoints.
    const { readArchive } = await import('./import/archive.js');
    return completed(readArchive(bytes, budget, key), budget, options, path);
  }
  checkKind(bytes, bytes.length);
  const container = parseSafetensors(bytes, budget);
  if (isModelFile(container)) {
    for (const name of ['key', 'padding', 'batchNormEpsilon'] as const) {
      if (options[name] === undefined || !options.isStrict) continue;
      throw invalidArgument(`options.${name}`, 'nothing for a file that holds one model', options[name]);
    }
    return inTurns(decodeModelSteps(container, budget, options.leave));
  }
  const { modelFromStateDict, stateDictFromTensors } = await import('./import/stateDict.js');
  const { findNetwork } = await import('./import/findNetwork.js');
  const tensors = findNetwork([{ path: '', tensors: stateDictFromTensors(container.tensors) }], key);
  const details = { from: 'safetensors state_dict', ...(key === undefined ? {} : { key }) };
  return completed(modelFromStateDict(tensors, [{ step: 'convert', details }], budget), budget, options, path);
}

/** A bare network with what stands beside its file, and what the caller knows of it. */
async function completed(
  bare: Model,
  budget: Budget,
  options: ReadModelOptions,
  path: string | undefined,
): Promise<Model> {
  const { readCompanions } = await import('./import/huggingFace.js');
  const { labels, preprocessing, conventions = {} } = path === undefined ? {} : await readCompanions(path, budget);
  const { padding = conventions.padding, batchNormEpsilon = conventions.batchNormEpsilon } = options;
  const { classes } = bare.architecture;
  return {
    ...bare,
    // A network that was given other classes may still stand beside the names of the old ones.
    ...(labels?.length === classes
      ? { labels }
      : classes === IMAGENET_CLASSES
        ? { labels: await imagenetNames() }
        : {}),
    ...(preprocessing === undefined ? {} : { preprocessing }),
    architecture: withConventions(bare.architecture, { padding, batchNormEpsilon }),
  };
}

/** As many classes as the ImageNet challenge of 2012 has; nobody else has chosen the same number. */
const IMAGENET_CLASSES = 1000;

async function imagenetNames(): Promise<readonly string[]> {
  const { IMAGENET_NAMES } = await import('./import/imagenetNames.js');
  return IMAGENET_NAMES;
}

/** Refuses by its first bytes a file that is no model; `size` is that of the whole file. */
function checkKind(head: Uint8Array, size: number): void {
  if (looksLikeZip(head)) return;
  if (looksLikeLegacyTorch(head)) {
    throw new NeonsenseError(
      'ERR_UNSUPPORTED',
      'This is a checkpoint in the format PyTorch wrote before version 1.6. Load it with torch.load and save it ' +
        'again with torch.save(model.state_dict(), path)',
    );
  }
  if (!looksLikeSafetensors(head)) throw foreignFile(head, size);
}

/**
 * `PK` and the kind of a zip archive's first record. The kind counts: a .safetensors file whose header has 19,280 bytes
 * begins with `PK` as well.
 */
function looksLikeZip(bytes: Uint8Array): boolean {
  const [p, k, kind = 3, again = kind + 1] = bytes;
  return p === 0x50 && k === 0x4b && [1, 3, 5, 7].includes(kind) && again === kind + 1;
}

/** A pickle of protocol 2 that begins with a ten-byte integer: torch.save's old magic number. */
function looksLikeLegacyTorch(bytes: Uint8Array): boolean {
  const start = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc];
  return start.every((byte, index) => bytes[index] === byte);
}

function checkOptions({ labels, preprocessing, key, padding, batchNormEpsilon }: ReadModelOptions): void {
  if (padding !== undefined && padding !== 'torch' && padding !== 'same') {
    throw invalidArgument('options.padding', "'torch' or 'same'", padding);
  }
  if (batchNormEpsilon !== undefined && !(Number.isFinite(batchNormEpsilon) && batchNormEpsilon > 0)) {
    throw invalidArgument('options.batchNormEpsilon', 'a finite number above 0', batchNormEpsilon);
  }
  if (key !== undefined && typeof key !== 'string') throw invalidArgument('options.key', 'a string', key);
  if (labels !== undefined && !(Array.isArray(labels) && labels.every((label) => typeof label === 'string'))) {
    throw invalidArgument('options.labels', 'an array of strings', labels);
  }
  if (preprocessing !== undefined) preprocessingFrom(preprocessing, 'options.preprocessing');
}

function withOptions(read: Model, { labels, translations, preprocessing }: ReadModelOptions): Model {
  const { translations: old, ...model } = read;
  const { classes } = model.architecture;
  if (labels !== undefined && labels.length !== classes) {
    throw invalidArgument('options.labels', `${classes} labels, one per class of the model,`, labels);
  }
  // Names in other languages belong to the names they translate.
  const kept = translations ?? (labels === undefined ? old : undefined);
  if (kept !== undefined) checkTranslations(kept, classes);
  return {
    ...model,
    ...(labels === undefined ? {} : { labels: [...labels] }),
    ...(kept === undefined ? {} : { translations: kept }),
    ...(preprocessing === undefined
      ? {}
      : { preprocessing: preprocessingFrom(preprocessing, 'options.preprocessing') }),
  };
}

function copied(bytes: Uint8Array, budget: Budget): Uint8Array {
  budget.check('fileBytes', bytes.length);
  checkKind(bytes.subarray(0, HEAD_BYTES), bytes.length);
  return new Uint8Array(bytes);
}

/** The whole file in memory of its own, so that its tensors can be viewed in place; of another kind only its beginning. */
async function readFile(path: string, budget: Budget): Promise<Uint8Array> {
  try {
    const { handle, bytes: size } = await openRegularFile(path);
    try {
      const head = new Uint8Array(Math.min(HEAD_BYTES, size));
      await fill(handle, head);
      checkKind(head, size);
      budget.check('fileBytes', size);
      const bytes = new Uint8Array(size);
      await fill(handle, bytes);
      return bytes;
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof NeonsenseError) throw error;
    throw fileError(
      error,
      `There is no model file ${shortened(path)}`,
      `Cannot read the model file ${shortened(path)}`,
    );
  }
}

/** Fills `bytes` from the beginning of the file. */
async function fill(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, filled);
    if (bytesRead === 0) throw new Error('it became shorter while it was read');
    filled += bytesRead;
  }
}
