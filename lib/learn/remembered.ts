import * as z from 'zod/mini';
import { check } from '../schema/check.js';
import type { Remembered } from './remember.js';
import type { Samples } from './samples.js';

/** Names of classes, as a file of what was remembered has them too. */
export const rememberedLabels = z.array(z.string().check(z.minLength(1))).check(z.minLength(1), z.maxLength(10_000));

const samples = z.custom<Samples>((value) => {
  const { features, width, labels, classes } = Object(value) as Partial<Samples>;
  return (
    features instanceof Float32Array &&
    labels instanceof Int32Array &&
    Number.isSafeInteger(width) &&
    width! > 0 &&
    features.length === labels.length * width! &&
    labels.every((label) => label >= 0 && label < classes!)
  );
}, 'one feature vector and one label for each photo');

/** What `learn` gives back to be remembered, held against its shape. */
export const remembered = z.strictObject({ labels: rememberedLabels, base: z.string(), samples });

/** @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for what `learn` can't have given */
export function checkRemembered(value: Remembered, name: string): Remembered {
  return check(remembered, value, { name });
}
