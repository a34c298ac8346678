import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { check } from '../../lib/schema/check.js';
import { abortSignal, callback, integer, list, share, text } from '../../lib/schema/types.js';

const schema = z.strictObject({
  runs: z.optional(integer(1, 256)),
  onProgress: z.optional(callback()),
  signal: z.optional(abortSignal()),
  share: z.optional(share()),
  names: z.optional(list(text())),
  kind: z.optional(z.enum(['a', 'b'])),
  latency: z.optional(
    z.union([z.literal(false), z.strictObject({ warmup: z.optional(integer(0)) })], { error: 'false or an object' }),
  ),
  values: z.optional(z.record(z.string(), z.strictObject({ scale: z.number() }))),
  stages: z.optional(z.array(z.strictObject({ amount: share() }))),
});

const byMethod = z.discriminatedUnion(
  'method',
  [
    z.strictObject({ method: z.optional(z.literal('a')), n: integer(1, 4) }),
    z.strictObject({ method: z.literal('b') }),
  ],
  { error: "'a' or 'b'" },
);

const messageOf = (value: unknown, subject: Parameters<typeof check>[2] = { name: 'options' }): string => {
  try {
    check(schema, value, subject);
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
};

describe('a value from outside', () => {
  it.each<[string, unknown, string]>([
    ['no object', 3, 'Expected an object for `options` but received 3 of type number'],
    [
      'a number out of range',
      { runs: 300 },
      'Expected an integer from 1 to 256 for `options.runs` but received 300 of type number',
    ],
    [
      'a number that is not whole',
      { runs: 0.5 },
      'Expected an integer from 1 to 256 for `options.runs` but received 0.5 of type number',
    ],
    [
      'no function',
      { onProgress: 'x' },
      'Expected a function for `options.onProgress` but received "x" of type string',
    ],
    ['no signal', { signal: {} }, 'Expected an AbortSignal for `options.signal` but received an object of type Object'],
    [
      'an empty list',
      { names: [] },
      'Expected a list that is not empty for `options.names` but received an array of length 0',
    ],
    [
      'an empty string in a list',
      { names: ['a', ''] },
      'Expected a string that is not empty for `options.names[1]` but received "" of type string',
    ],
    [
      'a value that is none of some',
      { kind: 'c' },
      "Expected 'a' or 'b' for `options.kind` but received \"c\" of type string",
    ],
    [
      'what no member of a union takes',
      { latency: 3 },
      'Expected false or an object for `options.latency` but received 3 of type number',
    ],
    [
      'what one member nearly takes',
      { latency: { warmup: -1 } },
      'Expected a whole number of at least 0 for `options.latency.warmup` but received -1 of type number',
    ],
    [
      'a key with dots',
      { values: { 'features.0.0': { scale: 'x' } } },
      'Expected a finite number for `options.values[\'features.0.0\'].scale` but received "x" of type string',
    ],
    [
      'a place in a list',
      { stages: [{ amount: 2 }] },
      'Expected a number from 0 to 1 for `options.stages[0].amount` but received 2 of type number',
    ],
    ['a key spelt otherwise', { on_progress: 1 }, '`options.on_progress` is not known: did you mean onProgress?'],
    ['a key of a member of a union', { latency: { runs: 1 } }, '`options.latency.runs` is not known: known are warmup'],
  ])('is refused in its own words: %s', (_, value, message) => {
    expect(messageOf(value)).toBe(message);
  });

  it('of a union that goes by one key is held against the member that the key names', () => {
    const messageBy = (value: unknown): string => {
      try {
        check(byMethod, value, { name: 'options' });
      } catch (error) {
        return (error as Error).message;
      }
      return 'accepted';
    };
    expect(messageBy({ n: 4 })).toBe('accepted');
    expect(messageBy({ n: 5 })).toBe('Expected an integer from 1 to 4 for `options.n` but received 5 of type number');
    expect(messageBy({ method: 'b', n: 1 })).toBe('`options.n` is not known: known are method');
    expect(messageBy({ method: 'c' })).toBe(
      "Expected 'a' or 'b' for `options.method` but received \"c\" of type string",
    );
    expect(messageBy(undefined)).toBe("Expected 'a' or 'b' for `options` but received undefined");
  });

  it('is named by its file where it is a document, under the code asked for', () => {
    expect(messageOf({ runs: 0 }, { name: '', file: 'a.json' })).toMatch(/^a\.json: Expected .* for `runs` but/);
    expect(messageOf([], { name: '', file: 'a.json' })).toMatch(/for `the document` but received an array/);
    expect(() => check(schema, 1, { name: '', code: 'ERR_MODEL_FORMAT' })).toThrow(
      expect.objectContaining({ code: 'ERR_MODEL_FORMAT' }),
    );
  });

  it('comes back as it is where nothing is wrong with it', () => {
    const value = { runs: 256, kind: 'a', latency: false, names: ['x'], signal: AbortSignal.abort() };
    expect(check(schema, value, { name: 'options' })).toEqual(value);
  });
});
