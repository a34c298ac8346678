import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { NeonsenseError, shortened } from '../errors.js';
import {
  type ReadModelOptions,
  readModel as readFileOrBytes,
  readModelUnchecked as readUnchecked,
} from '../model/files.js';
import type { UncheckedContent } from '../model/format/contentHash.js';
import type { Model } from '../model/model.js';
import { modelsFolder } from './manifest.js';

const ENDING = '.safetensors';

/** What may name a model that comes with the package: no path, no ending. */
const NAME = /^[\w-]+$/;

/**
 * Reads a model from `source`: a path, the name of a model that comes with the package (`household-fp16`; a file of that
 * name in the working directory goes before), or the bytes of a file. What kind of file it is shows its content: this
 * package's own `.safetensors`; a `.safetensors` or `.pth` with the tensors of torchvision's network or timm's;
 * TorchScript; a `.npz` with Keras' weights. Beside `model.safetensors`, `config.json` and `preprocessor_config.json` are
 * read too.
 *
 * @throws {NeonsenseError} `ERR_NOT_FOUND` or `ERR_IO` when the file cannot be read, `ERR_MODEL_FORMAT` when it is
 * damaged or of another kind, `ERR_MODEL_ARCHITECTURE` when it holds another network or unusable numbers,
 * `ERR_UNSUPPORTED` for what is well formed but not handled, `ERR_INVALID_ARGUMENT` for wrong options.
 */
export async function readModel(source: string | Uint8Array, options: ReadModelOptions = {}): Promise<Model> {
  return await readFileOrBytes(typeof source === 'string' ? modelFile(source) : source, options);
}

/** As {@link readModel}; of a file in this package's format `leave` is given what the caller has to check. */
export async function readModelUnchecked(
  source: string | Uint8Array,
  options: ReadModelOptions,
  leave: (content: UncheckedContent) => void,
): Promise<Model> {
  return await readUnchecked(typeof source === 'string' ? modelFile(source) : source, options, leave);
}

/**
 * The file that `name` stands for: a path as it is, or the file of the model that comes with the package under that name.
 *
 * @param folder of the models that come with the package
 * @throws {NeonsenseError} `ERR_NOT_FOUND` where what looks like a name is none
 */
export function modelFile(name: string, folder: string = modelsFolder): string {
  if (!NAME.test(name) || existsSync(name)) return name;
  const file = join(folder, name + ENDING);
  if (existsSync(file)) return file;
  const known = shippedNames(folder).join(', ');
  throw new NeonsenseError(
    'ERR_NOT_FOUND',
    `There is no model file ${shortened(name)}, and no model of that name comes with neonsense, which has ${known}`,
  );
}

/** Names of the models that come with the package. */
export function shippedNames(folder: string = modelsFolder): string[] {
  try {
    const files = readdirSync(folder).filter((file) => file.endsWith(ENDING));
    return files.map((file) => file.slice(0, -ENDING.length));
  } catch {
    return ['none'];
  }
}
