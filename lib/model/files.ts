import { open } from 'node:fs/promises';
import { fileError, invalidArgument, NeonsenseError } from '../errors.js';
import { decodeModel, isModelFile } from './format/decode.js';
import { encodeModel } from './format/encode.js';
import { decodePreprocessing } from './format/metadata.js';
import { looksLikeSafetensors, parseSafetensors } from './format/safetensors.js';
import type { Model, Preprocessing } from './model.js';

export { encodeModel } from './format/encode.js';

/** What a checkpoint does not say about itself; given values replace those of the file. */
export interface ReadModelOptions {
  /** One name per class, in the order of the logits. Default for a bare checkpoint: `class 0`, `class 1`, ... */
  readonly labels?: readonly string[];
  /** Default for a bare checkpoint: 224 x 224 with ImageNet's mean and standard deviation. */
  readonly preprocessing?: Preprocessing;
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
  // A model never changes: the caller's bytes are copied, because the caller may go on using them.
  const bytes = typeof file === 'string' ? await readFile(file) : new Uint8Array(file);
  let model: Model;
  try {
    model = await decode(bytes);
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

async function decode(bytes: Uint8Array): Promise<Model> {
  if (looksLikeZip(bytes)) {
    // Most models are not checkpoints; only these pay for loading what reads checkpoints.
    const { readTorchModel } = await import('./import/torch/readTorchModel.js');
    return readTorchModel(bytes);
  }
  if (looksLikeLegacyTorch(bytes)) {
    throw new NeonsenseError(
      'ERR_UNSUPPORTED',
      'This is a checkpoint in the format PyTorch wrote before version 1.6. Load it with torch.load and save it ' +
        'again with torch.save(model.state_dict(), path)',
    );
  }
  if (!looksLikeSafetensors(bytes)) throw unknownKind(bytes);
  const container = parseSafetensors(bytes);
  if (isModelFile(container)) return decodeModel(container);
  const { modelFromStateDict, stateDictFromTensors } = await import('./import/stateDict.js');
  return modelFromStateDict(stateDictFromTensors(container.tensors), [
    { step: 'convert', details: { from: 'safetensors state_dict' } },
  ]);
}

function looksLikeZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] ?? 0) <= 6 && (bytes[3] ?? 0) <= 8;
}

/** A pickle of protocol 2 that begins with a ten-byte integer: torch.save's old magic number. */
function looksLikeLegacyTorch(bytes: Uint8Array): boolean {
  const start = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc];
  return start.every((byte, index) => bytes[index] === byte);
}

function unknownKind(bytes: Uint8Array): NeonsenseError {
  const start = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return new NeonsenseError(
    'ERR_MODEL_FORMAT',
    'Expected a model: a .safetensors file, or a .pth or .pt file of PyTorch 1.6 or later. This one has ' +
      (bytes.length === 0 ? 'no bytes' : `${bytes.length} bytes and begins with ${start}`),
  );
}

function checkOptions({ labels, preprocessing }: ReadModelOptions): void {
  if (labels !== undefined && !(Array.isArray(labels) && labels.every((label) => typeof label === 'string'))) {
    throw invalidArgument('options.labels', 'an array of strings', labels);
  }
  if (preprocessing !== undefined) {
    try {
      decodePreprocessing(preprocessing);
    } catch (error) {
      throw new NeonsenseError('ERR_INVALID_ARGUMENT', `options.preprocessing: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}

function withOptions(model: Model, { labels, preprocessing }: ReadModelOptions): Model {
  const { classes } = model.architecture;
  if (labels !== undefined && labels.length !== classes) {
    throw invalidArgument('options.labels', `${classes} labels, one per class of the model,`, labels);
  }
  return {
    ...model,
    ...(labels === undefined ? {} : { labels: [...labels] }),
    ...(preprocessing === undefined ? {} : { preprocessing: decodePreprocessing(preprocessing) }),
  };
}

/** The whole file in memory of its own, so that its tensors can be viewed in place. */
async function readFile(path: string): Promise<Uint8Array> {
  try {
    const handle = await open(path, 'r');
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) throw new Error('it is not a regular file');
      const bytes = new Uint8Array(stats.size);
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, filled);
        if (bytesRead === 0) throw new Error('it became shorter while it was read');
        filled += bytesRead;
      }
      return bytes;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(error, `There is no model file ${path}`, `Cannot read the model file ${path}`);
  }
}
