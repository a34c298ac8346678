// Every public export with arguments nobody should give: the answer is a result or a NeonsenseError, never another error.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as library from '../../lib/index.js';
import { NeonsenseError } from '../../lib/index.js';
import { randomModel } from '../randomModel.js';

const model = randomModel({ size: 32 });

/** What nobody should give, made when it is given: some of it even a test's own tools could not look at. */
const SPECIAL: Readonly<Record<string, () => unknown>> = {
  'a revoked object': () => revoked({}),
  'a revoked array': () => revoked([]),
  'a revoked function': () => revoked(() => 1),
  'an object that throws': () =>
    new Proxy(
      {},
      {
        get: () => {
          throw new TypeError('no property of this can be read');
        },
      },
    ),
  'a detached array': () => {
    const array = new Float32Array(8);
    structuredClone(array.buffer, { transfer: [array.buffer] });
    return array;
  },
  'a cycle': () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    return cycle;
  },
  'a symbol': () => Symbol('s'),
  'a BigInt': () => 7n,
  'a function': () => () => 1,
  bytes: () => new Uint8Array(3),
  'a signal': () => new AbortController().signal,
  'a long text': () => 'x'.repeat(10_000),
  'a model': () => model,
};

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** How to make an argument; small to print where it is a counterexample. */
type Recipe =
  | { special: string }
  | { value: unknown }
  | { modelWith: string; inner: number; is: Recipe }
  | { options: Record<string, Recipe> };

function made(recipe: Recipe): unknown {
  if ('special' in recipe) return SPECIAL[recipe.special]!();
  if ('value' in recipe) return recipe.value;
  if ('options' in recipe)
    return Object.fromEntries(Object.entries(recipe.options).map(([key, value]) => [key, made(value)]));
  const { modelWith: key, inner, is } = recipe;
  const field = (model as unknown as Record<string, unknown>)[key];
  if (inner < 0 || typeof field !== 'object' || field === null) return { ...model, [key]: made(is) };
  if (field instanceof Map) return { ...model, [key]: new Map([...field, [[...field.keys()][inner], made(is)]]) };
  if (Array.isArray(field))
    return { ...model, [key]: field.map((item: unknown, index) => (index === inner ? made(is) : item)) };
  const name = Object.keys(field)[inner % Object.keys(field).length]!;
  return { ...model, [key]: { ...field, [name]: made(is) } };
}

const anything: fc.Arbitrary<Recipe> = fc.oneof(
  fc.constantFrom(...Object.keys(SPECIAL)).map((special) => ({ special })),
  fc
    .anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withNullPrototype: true,
      withSparseArray: true,
    })
    .map((value) => ({ value })),
);
const nearlyModel: fc.Arbitrary<Recipe> = fc.record({
  modelWith: fc.constantFrom(...Object.keys(model)),
  inner: fc.integer({ min: -1, max: 5 }),
  is: anything,
});
const nearlyOptions: fc.Arbitrary<Recipe> = fc
  .dictionary(
    fc.constantFrom(
      ...[
        'labels',
        'preprocessing',
        'key',
        'limits',
        'threads',
        'fp16',
        'sparse',
        'profile',
        'consume',
        'outputs',
        'variant',
        'precision',
        'measure',
        'topK',
        'signal',
      ],
    ),
    anything,
    { maxKeys: 2 },
  )
  .map((options) => ({ options }));
const argument = fc.oneof(anything, nearlyOptions, nearlyModel);

async function outcomeOf(call: () => unknown): Promise<unknown> {
  try {
    const result = await call();
    if (typeof result === 'object' && result !== null && 'dispose' in result)
      await (result.dispose as () => unknown).call(result);
    return undefined;
  } catch (error) {
    return error;
  }
}

function expectOurs(error: unknown): void {
  if (error === undefined) return;
  if (!(error instanceof NeonsenseError)) throw error;
  // A few pieces of input, 200 characters each, and our own words.
  expect(error.message.length).toBeLessThan(2000);
}

const functions = library as unknown as Record<string, (...args: unknown[]) => unknown>;
const names = ['encodeModel', 'readModel', 'writeModel', 'createSession', 'preprocess'];

describe('any argument of', () => {
  it.each(names)('%s ends in a result or a NeonsenseError', async (name) => {
    // A path that could be written to is left out.
    const isPath = (recipe: Recipe): boolean =>
      ('value' in recipe && typeof recipe.value === 'string') ||
      ('special' in recipe && recipe.special === 'a long text');
    const rest = name === 'writeModel' ? anything.filter((recipe) => !isPath(recipe)) : argument;
    await fc.assert(
      fc.asyncProperty(argument, fc.array(rest, { maxLength: 2 }), async (first, others) => {
        expectOurs(await outcomeOf(() => functions[name]!(made(first), ...others.map(made))));
      }),
      { numRuns: 200 },
    );
  });
});
