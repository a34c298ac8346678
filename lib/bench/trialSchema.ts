import * as z from 'zod/mini';
import { check } from '../schema/check.js';
import { numberThat } from '../schema/types.js';
import type { TrialResult } from './trialSpec.js';

const milliseconds = numberThat('milliseconds', (value) => value >= 0);
/** JSON has no NaN and no infinities, which a broken engine may compute: they come as null. */
const logit = z.pipe(
  z.nullable(z.number()),
  z.transform((value) => value ?? Number.NaN),
);

const schema = z.object({
  initMs: milliseconds,
  firstMs: milliseconds,
  samplesMs: z.array(milliseconds),
  peakRssBytes: numberThat('bytes', (value) => value >= 0),
  logits: z.array(logit),
  profile: z.optional(z.array(z.object({ layer: z.string(), operator: z.string(), ms: milliseconds }))),
});

/**
 * Checks what a trial's process gave: it may be a program of somebody else's.
 *
 * @param engine of the trial, for messages
 * @throws {NeonsenseError} `ERR_NATIVE` naming what is wrong with the record
 */
export function checkTrialResult(value: unknown, engine: string): TrialResult {
  const subject = { name: 'result', code: 'ERR_NATIVE', file: `A trial of ${engine} failed` } as const;
  return check(schema, value, subject) as TrialResult;
}
