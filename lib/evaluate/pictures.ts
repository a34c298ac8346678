import { stat } from 'node:fs/promises';
import { NeonsenseError, shortened, throwIfAborted } from '../errors.js';
import { decodeImage } from '../image/decode.js';
import { findImages } from '../image/find.js';
import { checkModel } from '../model/checkModel.js';
import type { Model } from '../model/model.js';
import { spreadEvenly } from '../numbers/spread.js';
import { preprocess } from '../runtime/preprocess.js';
import { type DatasetOptions, openDataset } from './datasets.js';
import { checkPicturesOptions } from './options.js';

/** Options of {@link readPictures}. */
export interface PicturesOptions extends Pick<DatasetOptions, 'labelsFile' | 'limit'> {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

/**
 * Reads pictures of a data set as `model` takes them, `[1, H, W, 3]` each: what `compress` calibrates with and
 * `compareModels` compares on. All of them are in memory at once; `limit` spreads fewer evenly over the data. For a model
 * without classes `path` may be any folder of pictures.
 *
 * @throws {NeonsenseError} `ERR_DATASET` when not a single one can be read, `ERR_ABORTED`, and what `openDataset` throws
 */
export async function readPictures(model: Model, path: string, options: PicturesOptions = {}): Promise<Float32Array[]> {
  checkModel(model);
  const { labelsFile, limit, signal, onProgress } = checkPicturesOptions(options);
  // Whoever names no classes need not know those of the pictures' folders.
  const unlabelled = model.labels.length === 0 && (await isDirectory(path));
  if (unlabelled) return await readFolder(model, path, { limit, signal, onProgress });
  const dataset = await openDataset(path, {
    labels: model.labels,
    rejectClass: model.confidence?.rejectClass,
    labelsFile,
    limit,
  });
  const pictures: Float32Array[] = [];
  for await (const { pixels } of dataset.images()) {
    throwIfAborted(signal);
    pictures.push(preprocess(pixels, model.preprocessing));
    onProgress?.({ done: pictures.length, total: dataset.size });
  }
  if (pictures.length === 0) {
    throw new NeonsenseError('ERR_DATASET', `None of the ${dataset.size} pictures of ${shortened(path)} could be read`);
  }
  return pictures;
}

async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
}

/** Pictures wherever they lie in a folder; what is no picture is left out. */
async function readFolder(
  { preprocessing }: Model,
  folder: string,
  { limit, signal, onProgress }: Pick<PicturesOptions, 'limit' | 'signal' | 'onProgress'>,
): Promise<Float32Array[]> {
  const files = await findImages(folder);
  const pictures: Float32Array[] = [];
  const chosen = [...spreadEvenly(files.length, limit)];
  for (const [before, index] of chosen.entries()) {
    try {
      pictures.push(preprocess(await decodeImage(files[index]!, { signal }), preprocessing));
    } catch (error) {
      if (!(error instanceof NeonsenseError) || error.code !== 'ERR_IMAGE') throw error;
    }
    onProgress?.({ done: before + 1, total: chosen.length });
  }
  if (pictures.length === 0) {
    throw new NeonsenseError(
      'ERR_DATASET',
      `None of the ${files.length} pictures of ${shortened(folder)} could be read`,
    );
  }
  return pictures;
}
