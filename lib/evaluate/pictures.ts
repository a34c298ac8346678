import { NeonsenseError, throwIfAborted } from '../errors.js';
import { checkModel } from '../model/checkModel.js';
import type { Model } from '../model/model.js';
import { preprocess } from '../runtime/preprocess.js';
import { type DatasetOptions, openDataset } from './datasets.js';
import { checkPicturesOptions } from './options.js';

/** Options of {@link readPictures}. */
export interface PicturesOptions extends Pick<DatasetOptions, 'labelsFile' | 'limit'> {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads pictures of a data set as `model` takes them, `[1, H, W, 3]` each: what `compress` calibrates with and
 * `compareModels` compares on. All of them are in memory at once; `limit` spreads fewer evenly over the data.
 *
 * @throws {NeonsenseError} `ERR_DATASET` when not a single one can be read, `ERR_ABORTED`, and what `openDataset` throws
 */
export async function readPictures(model: Model, path: string, options: PicturesOptions = {}): Promise<Float32Array[]> {
  checkModel(model);
  const { labelsFile, limit, signal } = checkPicturesOptions(options);
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
  }
  if (pictures.length === 0) {
    throw new NeonsenseError('ERR_DATASET', `None of the ${dataset.size} pictures of ${path} could be read`);
  }
  return pictures;
}
