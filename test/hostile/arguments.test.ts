// Every function and class that can be imported, given what nobody should give: the answer is a result or a
// NeonsenseError, never another error. An export without an example below fails, so that none is left out.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import * as compressEntry from '../../lib/entries/compress.js';
import * as evaluateEntry from '../../lib/entries/evaluate.js';
import * as learnEntry from '../../lib/entries/learn.js';
import * as serveEntry from '../../lib/entries/serve.js';
import * as library from '../../lib/index.js';
import { Classifier, createSession, NeonsenseError } from '../../lib/index.js';
import fc from '../fastCheck.js';
import { randomModel } from '../randomModel.js';

const SIDE = 32;
const model = randomModel({ size: SIDE });
const image = new Float32Array(SIDE * SIDE * 3).fill(0.25);
const pixels = { data: new Uint8Array(8 * 8 * 3), width: 8, height: 8, channels: 3 };
const folder = mkdtempSync(join(tmpdir(), 'neonsense-arguments-'));
afterAll(() => rmSync(folder, { recursive: true }));

const dataset = {
  path: 'pictures',
  format: 'folders',
  size: 1,
  labels: model.labels,
  leftOut: 0,
  unreadable: [],
  async *images() {
    yield { index: 0, pixels, label: 0 };
  },
};
const remembered = {
  labels: ['a', 'b'],
  base: '{}',
  samples: { features: new Float32Array(4), labels: Int32Array.of(0, 1), width: 2, classes: 2 },
};
const [evaluation] = await evaluateEntry.evaluate([{ name: 'a', model }], dataset as never);
const { report } = await compressEntry.compress(model, {
  stages: [{ stage: 'fp16' }],
  latency: false,
  require: 'size=-10%',
});
const withSession = await createSession(model);
const classifier = new Classifier(model, withSession, undefined, async () => model);
afterAll(() => classifier.dispose());

const modelFile = join(folder, 'served.safetensors');
await library.writeModel(model, modelFile);

/** What to call, and arguments it takes; each is spoilt in turn. */
type Example = readonly [call: (...args: never[]) => unknown, ...args: unknown[]];

async function firstOf(results: AsyncIterable<unknown>): Promise<unknown> {
  for await (const result of results) return result;
  return undefined;
}
async function* bytes() {
  yield new Uint8Array(8 * 8 * 3);
}

/** Whatever name a file is given, it is written where it is removed again. */
function inFolder(file: unknown): string {
  const name = typeof file === 'string' ? join(folder, file.replaceAll(/[^a-z]/gi, '_')) : file;
  return name as string;
}

const { observe, run } = compressEntry.COMPRESS_ENGINE;
const calibration = [image];

/** By export; methods stand under the class they belong to. */
const EXAMPLES: Readonly<Record<string, readonly Example[]>> = {
  encodeModel: [[library.encodeModel, model]],
  readModel: [[library.readModel, library.encodeModel(model), { labels: model.labels, key: 'a', limits: {} }]],
  writeModel: [[(first: never, file: never) => library.writeModel(first, inFolder(file)), model, 'a.safetensors']],
  inspectModel: [[library.inspectModel, model, { bytes: 3 }]],
  toOnnx: [[library.toOnnx, model]],
  diagnose: [[library.diagnose]],
  createServer: [
    [
      async (options: never) => await (await serveEntry.createServer(options)).close(),
      {
        models: [modelFile],
        threads: 1,
        maxInFlight: 2,
        maxBytes: 1000,
        requestTimeoutMs: 1000,
        reference: { a: 1 },
        shadow: { model: modelFile, share: 0.5 },
        log: false,
      },
    ],
    [
      async (at: never) => {
        await using server = await serveEntry.createServer({ models: [modelFile], threads: 1 });
        await server.listen(at);
      },
      { host: '127.0.0.1', port: 0 },
    ],
  ],
  httpStatus: [[serveEntry.httpStatus, new RangeError('an error')]],
  abReport: [[(file: never) => serveEntry.abReport(inFolder(file)), 'shadow.jsonl']],
  watch: [
    [
      // A folder would be watched for ever.
      (source: never, options: never) =>
        firstOf(
          serveEntry.watch(classifier, typeof source === 'string' ? inFolder(`absent${source}`) : source, options),
        ),
      'film.mp4',
      { every: 1, topK: 1, width: 8, height: 8, roi: { x: 0, y: 0, width: 1, height: 1 }, smooth: true },
    ],
  ],
  preprocess: [[library.preprocess, pixels, model.preprocessing, image]],
  createSession: [
    [library.createSession, model, { threads: 1, profile: true, fp16: false, sparse: true, outputs: ['logits'] }],
    [withSession.run.bind(withSession), image, { output: new Float32Array(10) }],
    [withSession.runAll.bind(withSession), image, {}],
  ],
  Classifier: [
    [
      Classifier.load,
      library.encodeModel(model),
      { threads: 1, labels: model.labels, preprocessing: 'torchvision', precision: 'auto', decode: 'fast' },
    ],
    [classifier.classify.bind(classifier), pixels, { topK: 2, only: ['class 1'], minProbability: 0.1, logits: true }],
    [classifier.classifyBatch.bind(classifier), [pixels, pixels], { onError: 'collect', except: ['class 1'] }],
    [classifier.embed.bind(classifier), pixels, {}],
    [
      (...args: Parameters<Classifier['stream']>) => firstOf(classifier.stream(...args)),
      { [Symbol.asyncIterator]: bytes },
      { format: 'rgb24', width: 8, height: 8, smooth: { alpha: 0.5 }, every: 1, topK: 3, latest: false },
    ],
  ],
  parseGoals: [[compressEntry.parseGoals, 'size=-10%']],
  reportJson: [[compressEntry.reportJson, report]],
  reportMarkdown: [[compressEntry.reportMarkdown, report]],
  reportHtml: [[compressEntry.reportHtml, report, report.stages.map(() => evaluation)]],
  toFp16: [[compressEntry.toFp16, model]],
  prune: [
    [
      compressEntry.prune,
      model,
      { method: 'l1-unstructured', amount: 0.3, scope: 'global', targets: ['classifier.0'] },
    ],
    [compressEntry.prune, model, { method: 'channels', amount: 0.3, multiple: 2, widths: ['hidden'] }],
  ],
  quantizeDynamic: [[compressEntry.quantizeDynamic, model, { scope: 'all', keepFloat: ['classifier.0'] }]],
  quantizeStatic: [
    [
      compressEntry.quantizeStatic,
      model,
      { calibration, observe, observer: 'percentile', percentile: 99, keepFloat: [], activations: 'qs8' },
    ],
  ],
  recalibrate: [[compressEntry.recalibrate, model, { calibration, observe, reference: model }]],
  reconstruct: [[compressEntry.reconstruct, model, { calibration, observe, reference: model }]],
  compress: [
    [
      compressEntry.compress,
      model,
      {
        stages: [{ stage: 'prune', amount: 0.2 }],
        calibration,
        evaluate: (models: never) => evaluateEntry.evaluate(models, dataset as never),
        latency: { runs: 1, warmup: 0, threads: 1 },
        require: { size: -0.1 },
        environment: { a: 'b' },
      },
    ],
  ],
  compareModels: [[compressEntry.compareModels, model, model, { inputs: [image], threads: 1 }]],
  COMPRESS_ENGINE: [
    [(...args: Parameters<typeof observe>) => firstOf(observe(...args)), model, ['logits'], [image]],
    [run, model, [image]],
  ],
  openDataset: [[evaluateEntry.openDataset, folder, { labels: ['a'], rejectClass: 'a', limit: 3 }]],
  readPictures: [[evaluateEntry.readPictures, model, folder, { limit: 3 }]],
  evaluate: [[evaluateEntry.evaluate, [{ name: 'a', model }], dataset, { batch: 1, threads: 1 }]],
  scorePredictors: [
    [
      evaluateEntry.scorePredictors,
      [
        {
          name: 'a',
          precision: 'fp32',
          labels: model.labels,
          preprocessing: model.preprocessing,
          confidence: { temperature: 2 },
          run: async () => new Float32Array(10),
        },
      ],
      dataset,
      { batch: 1 },
    ],
  ],
  evaluationReport: [[evaluateEntry.evaluationReport, 'title', [evaluation]]],
  fitTemperature: [[evaluateEntry.fitTemperature, [Float32Array.of(1, 2), Float32Array.of(3, 1)], [0, 0]]],
  withTemperature: [[evaluateEntry.withTemperature, model, 2, 10]],
  learn: [[learnEntry.learn, folder, { base: model, add: remembered, limit: 3, threads: 1 }]],
  readRemembered: [[learnEntry.readRemembered, join(folder, 'none')]],
  writeRemembered: [
    [(file: never, second: never) => learnEntry.writeRemembered(inFolder(file), second), 'b', remembered],
  ],
};

/**
 * What nobody should give, made when it is given: some of it even a test's own tools could not look at. No function that
 * throws is among it: what a caller's function throws is the caller's.
 */
const SPECIAL: Readonly<Record<string, () => unknown>> = {
  'a revoked object': () => revoked({}),
  'a revoked array': () => revoked([]),
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
  nothing: () => undefined,
  null: () => null,
  'not a number': () => Number.NaN,
};

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** How to make a value; small to print where it is a counterexample. */
type Recipe = { readonly special: string } | { readonly value: unknown };

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
    // Nothing is to be found by chance.
    .filter((value) => typeof value !== 'string' || !(value.includes('/') || existsSync(value)))
    .map((value) => ({ value })),
);

function made(recipe: Recipe): unknown {
  return 'special' in recipe ? SPECIAL[recipe.special]!() : recipe.value;
}

/** `value` with what lies at a place inside it replaced; the place is chosen by `steps`, one for each level down. */
function spoilt(value: unknown, steps: readonly number[], spoil: () => unknown): unknown {
  const [step, ...deeper] = steps;
  if (step === undefined || typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return spoil();
  if (value instanceof Map) {
    const key: unknown = [...value.keys()][step % value.size];
    return new Map([...value, [key, spoilt(value.get(key), deeper, spoil)]]);
  }
  const keys = Object.keys(value);
  if (keys.length === 0) return spoil();
  const key = keys[step % keys.length]!;
  if (Array.isArray(value))
    return value.map((item: unknown, index) => (String(index) === key ? spoilt(item, deeper, spoil) : item));
  return { ...value, [key]: spoilt(value[key as keyof typeof value], deeper, spoil) };
}

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

const examples = Object.entries(EXAMPLES).flatMap(([name, list]) =>
  list.map((example, index) => ({ name: list.length > 1 ? `${name} (${index + 1})` : name, example })),
);

it('has an example of every export', () => {
  const all = [library, compressEntry, evaluateEntry, learnEntry, serveEntry].flatMap((entry) => Object.keys(entry));
  // Callers catch it, and need not make one.
  expect([...Object.keys(EXAMPLES), 'NeonsenseError'].sort()).toEqual(all.sort());
});

// More by hand:  NEONSENSE_RUNS=5000 NEONSENSE_SEED=7 npx vitest run test/hostile/arguments.test.ts
const RUNS = Number(process.env['NEONSENSE_RUNS'] ?? 100);

describe('any argument of', () => {
  it.each(examples)(
    '$name ends in a result or a NeonsenseError',
    { timeout: 60_000 + 100 * RUNS },
    async ({ example }) => {
      const [call, ...args] = example as unknown as [(...args: unknown[]) => unknown, ...unknown[]];
      expectOurs(await outcomeOf(() => call(...args)));
      if (args.length === 0) return;
      const place = fc.tuple(fc.nat(args.length - 1), fc.array(fc.nat(50), { maxLength: 4 }));
      await fc.assert(
        fc.asyncProperty(place, anything, async ([index, steps], recipe) => {
          const given = args.map((arg, i) => (i === index ? spoilt(arg, steps, () => made(recipe)) : arg));
          expectOurs(await outcomeOf(() => call(...given)));
        }),
        { numRuns: RUNS },
      );
    },
  );
});
