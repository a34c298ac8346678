import * as z from 'zod';
import { describe, NeonsenseError } from '../errors.js';
import type { CompressOptions } from './compress.js';

const isFunction = (value: unknown): boolean => typeof value === 'function';

/** Stages and calibration pictures are checked where they are used, with messages that know the model. */
const schema = z.strictObject({
  stages: z.array(z.looseObject({})),
  calibration: z.optional(z.array(z.instanceof(Float32Array))),
  evaluate: z.optional(z.custom(isFunction, 'expected a function')),
  latency: z.optional(
    z.union([
      z.literal(false),
      z.strictObject({
        runs: z.optional(z.int().min(1)),
        warmup: z.optional(z.int().min(0)),
        threads: z.optional(z.int().min(1).max(256)),
      }),
    ]),
  ),
  require: z.optional(z.union([z.string(), z.looseObject({})])),
  environment: z.optional(z.record(z.string(), z.string())),
  signal: z.optional(z.instanceof(AbortSignal)),
  onProgress: z.optional(z.custom(isFunction, 'expected a function')),
});

/**
 * Refuses options of the wrong shape, misspelt ones included. (zod costs tens of milliseconds to load, which is nothing
 * beside a compression and too much on the way to a first prediction; see options.ts.)
 *
 * @throws NeonsenseError `ERR_INVALID_ARGUMENT`
 */
export function checkCompressOptions(options: CompressOptions): void {
  const result = schema.safeParse(options);
  if (result.success) return;
  const [issue] = result.error.issues;
  const path = ['options', ...(issue?.path ?? [])].map(String);
  let received: unknown = options;
  for (const key of path.slice(1)) received = (received as Record<string, unknown> | undefined)?.[key];
  throw new NeonsenseError(
    'ERR_INVALID_ARGUMENT',
    `\`${path.join('.')}\`: ${issue?.message ?? 'not usable'}; received ${describe(received)}`,
  );
}
