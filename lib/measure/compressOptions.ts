import * as z from 'zod/mini';
import { MOST_THREADS } from '../runtime/threads.js';
import { check } from '../schema/check.js';
import { abortSignal, callback, integer } from '../schema/types.js';
import type { CompareOptions, CompressOptions } from './compress.js';

const threads = z.optional(integer(1, MOST_THREADS));
const latency = z.strictObject({ runs: z.optional(integer(1)), warmup: z.optional(integer(0)), threads });

/** Stages and calibration pictures are checked where they are used, with messages that know the model. */
const compressOptions = z.strictObject({
  stages: z.array(z.looseObject({})),
  calibration: z.optional(z.array(z.unknown())),
  evaluate: z.optional(callback<NonNullable<CompressOptions['evaluate']>>()),
  latency: z.optional(z.union([z.literal(false), latency], { error: 'false or an object' })),
  require: z.optional(
    z.union([z.string(), z.looseObject({})], { error: 'goals such as size=-30%,latency=-40%,accuracy=-5%' }),
  ),
  environment: z.optional(z.record(z.string(), z.string())),
  signal: z.optional(abortSignal()),
  onProgress: z.optional(callback<NonNullable<CompressOptions['onProgress']>>()),
  onWarning: z.optional(callback<NonNullable<CompressOptions['onWarning']>>()),
});

const compareOptions = z.strictObject({
  inputs: z.optional(z.array(z.unknown())),
  threads,
  signal: z.optional(abortSignal()),
});

/**
 * Refuses options of the wrong shape, misspelt ones included.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`
 */
export function checkCompressOptions(options: CompressOptions): void {
  check(compressOptions, options, { name: 'options' });
}

/** As {@link checkCompressOptions}, for `compareModels`. */
export function checkCompareOptions(options: CompareOptions): void {
  check(compareOptions, options, { name: 'options' });
}
