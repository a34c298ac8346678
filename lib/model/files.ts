import type { FileHandle } from 'node:fs/promises';
import { fileError, invalidArgument, NeonsenseError } from '../errors.js';
import type { Limits } from '../files/limits.js';
import { Budget, resolveLimits } from '../files/limits.js';
import { openRegularFile } from '../files/openFile.js';
import { foreignFile, HEAD_BYTES } from './fileKind.js';
import { decodeModel, isModelFile } from './format/decode.js';
import { encodeModel } from './format/encode.js';
import { looksLikeSafetensors, parseSafetensors } from './format/safetensors.js';
import type { Model } from './model.js';
import { type Preprocessing, type PreprocessingPreset, preprocessingFrom } from './preprocessing.js';

export { encodeModel } from './format/encode.js';

/** What a checkpoint does not say about itself; given values replace those of the file. */
export interface ReadModelOptions {
  /** One name per class, in the order of the logits. Default for a bare checkpoint: `class 0`, `class 1`, ... */
  readonly labels?: readonly string[];
  /** A preset's name or all of it. Default for a bare checkpoint: a usual one, which says that it is `assumed`. */
  readonly preprocessing?: Preprocessing | PreprocessingPreset | undefined;
  /**
   * Which network of a checkpoint that holds several, by the keys that lead to it: `ema`, `state_dict.teacher`. Whatever
   * stands beside a network named so is left out.
   */
  readonly key?: string | undefined;
  /** What reading the file may cost at most. The defaults fit every checkpoint many times over. */
  readonly limits?: Limits | undefined;
}

/**
 * Reads a model from `file`, a path or the bytes of a file, telling by the content which kind it is: this package's own
 * `.safetensors`, a `.safetensors` with torchvision's tensors, a `.pth` with torchvision's state_dict, or TorchScript.
 *
 * @throws {NeonsenseError} `ERR_NOT_FOUND` or `ERR_IO` when the file cannot be read, `ERR_MODEL_FORMAT` when it is
 * damaged or of another kind, `ERR_MODEL_ARCHITECTURE` when it holds another network or unusable numbers,
 * `ERR_UNSUPPORTED` for what is well formed but not handled, `ERR_INVALID_ARGUMENT` for wrong options.
 */
export async function readModel(file: string | Uint8Array, options: ReadModelOptions = {}): Promise<Model> {
  if (typeof file !== 'string' && !(file instanceof Uint8Array)) {
    throw invalidArgument('file', 'a path or a Uint8Array', file);
  }
  checkOptions(options);
  const budget = new Budget(resolveLimits(options.limits));
  let model: Model;
  try {
    // A model never changes: the caller's bytes are copied, because the caller may go on using them.
    const bytes = typeof file === 'string' ? await readFile(file, budget) : copied(file, budget);
    model = await decode(bytes, budget, options.key);
  } catch (error) {
    if (typeof file !== 'string' || !(error instanceof NeonsenseError)) throw error;
    throw new NeonsenseError(error.code, `${file}: ${error.message}`, { cause: error });
  }
  return withOptions(model, options);
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

async function decode(bytes: Uint8Array, budget: Budget, key: string | undefined): Promise<Model> {
  if (looksLikeZip(bytes)) {
    // Most models are not checkpoints; only these pay for loading what reads checkpoints.
    const { readTorchModel } = await import('./import/torch/readTorchModel.js');
    return readTorchModel(bytes, budget, key);
  }
  checkKind(bytes, bytes.length);
  const container = parseSafetensors(bytes, budget);
  if (isModelFile(container)) {
    if (key !== undefined) throw invalidArgument('options.key', 'nothing for a file that holds one model', key);
    return decodeModel(container, budget);
  }
  const { modelFromStateDict, stateDictFromTensors } = await import('./import/stateDict.js');
  const { findNetwork } = await import('./import/findNetwork.js');
  const tensors = findNetwork([{ path: '', tensors: stateDictFromTensors(container.tensors) }], key);
  const details = { from: 'safetensors state_dict', ...(key === undefined ? {} : { key }) };
  return modelFromStateDict(tensors, [{ step: 'convert', details }], budget);
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

function looksLikeZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] ?? 0) <= 6 && (bytes[3] ?? 0) <= 8;
}

/** A pickle of protocol 2 that begins with a ten-byte integer: torch.save's old magic number. */
function looksLikeLegacyTorch(bytes: Uint8Array): boolean {
  const start = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc];
  return start.every((byte, index) => bytes[index] === byte);
}

function checkOptions({ labels, preprocessing, key }: ReadModelOptions): void {
  if (key !== undefined && typeof key !== 'string') throw invalidArgument('options.key', 'a string', key);
  if (labels !== undefined && !(Array.isArray(labels) && labels.every((label) => typeof label === 'string'))) {
    throw invalidArgument('options.labels', 'an array of strings', labels);
  }
  if (preprocessing !== undefined) preprocessingFrom(preprocessing, 'options.preprocessing');
}

function withOptions(model: Model, { labels, preprocessing }: ReadModelOptions): Model {
  const { classes } = model.architecture;
  if (labels !== undefined && labels.length !== classes) {
    throw invalidArgument('options.labels', `${classes} labels, one per class of the model,`, labels);
  }
  return {
    ...model,
    ...(labels === undefined ? {} : { labels: [...labels] }),
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
    throw fileError(error, `There is no model file ${path}`, `Cannot read the model file ${path}`);
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
