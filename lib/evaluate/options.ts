import * as z from 'zod/mini';
import { MOST_THREADS } from '../runtime/threads.js';
import { check } from '../schema/check.js';
import { abortSignal, callback, integer, text } from '../schema/types.js';
import type { DatasetOptions } from './datasets.js';
import type { PicturesOptions } from './pictures.js';
import type { EvaluateOptions } from './score.js';

const evaluateOptions = z.strictObject({
  batch: z.optional(integer(1)),
  mistakes: z.optional(integer(1)),
  threads: z.optional(integer(1, MOST_THREADS)),
  signal: z.optional(abortSignal()),
  onProgress: z.optional(callback<NonNullable<EvaluateOptions['onProgress']>>()),
  onLogits: z.optional(callback<NonNullable<EvaluateOptions['onLogits']>>()),
});

const sampled = { labelsFile: z.optional(text('the path of a labels file')), limit: z.optional(integer(1)) };
const datasetOptions = z.strictObject({ labels: z.array(z.string()), rejectClass: z.optional(z.string()), ...sampled });
const picturesOptions = z.strictObject({
  ...sampled,
  signal: z.optional(abortSignal()),
  onProgress: z.optional(callback<NonNullable<PicturesOptions['onProgress']>>()),
});

/** Of `evaluationReport`. */
export const reportOptions = z.strictObject({
  date: z.optional(z.string()),
  environment: z.optional(z.record(z.string(), z.string())),
  bytes: z.optional(z.record(z.string(), z.number())),
});

/** @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for options of the wrong shape, misspelt ones included */
export function checkEvaluateOptions(options: object): void {
  check(evaluateOptions, options, { name: 'options' });
}

/** @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for options of the wrong shape, misspelt ones included */
export function checkDatasetOptions(options: DatasetOptions): void {
  check(datasetOptions, options, { name: 'options' });
}

/** @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for options of the wrong shape, misspelt ones included */
export function checkPicturesOptions(options: PicturesOptions): PicturesOptions {
  return check(picturesOptions, options, { name: 'options' });
}
