import * as z from 'zod/mini';
import type { Model } from '../model/model.js';
import { MOST_THREADS } from '../runtime/threads.js';
import { check } from '../schema/check.js';
import { abortSignal, callback, integer, text } from '../schema/types.js';
import type { LearnOptions } from './learn.js';
import { remembered } from './remembered.js';

const learnOptions = z.strictObject({
  base: z.optional(z.union([text(), z.custom<Model>((value) => typeof value === 'object' && value !== null)])),
  add: z.optional(remembered),
  limit: z.optional(integer(1)),
  threads: z.optional(integer(1, MOST_THREADS)),
  signal: z.optional(abortSignal()),
  onProgress: z.optional(callback<NonNullable<LearnOptions['onProgress']>>()),
});

/** @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for options of the wrong shape, misspelt ones included */
export function checkLearnOptions(options: LearnOptions): LearnOptions {
  return check(learnOptions, options, { name: 'options' });
}
