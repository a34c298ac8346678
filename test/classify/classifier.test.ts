import { File } from 'node:buffer';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Classifier, defaultModelPath, type ImageInput } from '../../lib/classify/classifier.js';
import { NeonsenseError } from '../../lib/errors.js';
import type { Pixels } from '../../lib/image/pixels.js';
import type { Model } from '../../lib/model/model.js';
import { preprocess } from '../../lib/runtime/preprocess.js';
import { randomModel } from '../randomModel.js';

const LABELS = ['clock', 'lamp', 'chair', 'table'];

/** What the classifier reads of a model; the session below stands in for its network. */
const model = {
  architecture: { classes: 4 },
  labels: LABELS,
  preprocessing: { reduce: [4, 4], size: [8, 6], mean: [0, 0, 0], std: [1, 1, 1] },
  layers: new Map(),
} as unknown as Model;
const IMAGE_LENGTH = 8 * 6 * 3;

/** A stand-in for a session: the logits are 10 times the mean red, green and blue of the tensor, and 0. */
class FakeSession {
  readonly batches: number[] = [];
  disposed = 0;
  async run(input: Float32Array, options: { signal?: AbortSignal } = {}): Promise<Float32Array> {
    if (this.disposed > 0) throw new NeonsenseError('ERR_DISPOSED', 'The session was disposed');
    const count = input.length / IMAGE_LENGTH;
    this.batches.push(count);
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (options.signal?.aborted === true) throw new NeonsenseError('ERR_ABORTED', 'aborted');
    const logits = new Float32Array(count * 4);
    for (let n = 0; n < count; n++) {
      const image = input.subarray(n * IMAGE_LENGTH, (n + 1) * IMAGE_LENGTH);
      image.forEach((value, i) => (logits[n * 4 + (i % 3)]! += (10 * value * 3) / IMAGE_LENGTH));
    }
    return logits;
  }
  async dispose(): Promise<void> {
    this.disposed++;
  }
}

function make(): { classifier: Classifier; session: FakeSession } {
  const session = new FakeSession();
  return { classifier: new Classifier(model, session), session };
}

/** A session whose logits are known beforehand. */
function always(logits: Float32Array): { run(): Promise<Float32Array>; dispose(): Promise<void> } {
  return { run: async () => logits, dispose: async () => {} };
}

function solid(red: number, green: number, blue: number): Pixels {
  const data = new Uint8Array(5 * 7 * 3).map((_, i) => [red, green, blue][i % 3]!);
  return { data, width: 5, height: 7, channels: 3 };
}

const png = (pixels: Pixels): Promise<Buffer> =>
  sharp(pixels.data, { raw: { width: pixels.width, height: pixels.height, channels: pixels.channels } })
    .png()
    .toBuffer();

describe('classify', () => {
  it('gives softmax probabilities with their labels, most probable first', async () => {
    const { classifier } = make();
    const { predictions } = await classifier.classify(solid(51, 255, 102), { topK: 4 });
    expect(predictions.map(({ label }) => label)).toEqual(['lamp', 'chair', 'clock', 'table']);
    const exponentials = [10, 4, 2, 0].map((logit) => Math.E ** logit);
    const sum = exponentials.reduce((a, b) => a + b);
    predictions.forEach(({ probability }, i) => expect(probability).toBeCloseTo(exponentials[i]! / sum, 6));
  });

  it("takes the model's temperature, and rejects what even the likeliest class is too unlikely for", async () => {
    const exponentials = [10, 4, 2, 0].map((logit) => Math.E ** (logit / 4));
    const highest = exponentials[0]! / exponentials.reduce((a, b) => a + b);
    for (const [confidence, rejected] of [
      [{ temperature: 4 }, false],
      [{ temperature: 4, rejectBelow: 0 }, false],
      [{ temperature: 4, rejectBelow: highest - 1e-4 }, false],
      [{ temperature: 4, rejectBelow: highest + 1e-4 }, true],
    ] as const) {
      const classifier = new Classifier({ ...model, confidence }, new FakeSession());
      const answer = await classifier.classify(solid(51, 255, 102), { topK: 1 });
      expect(answer.predictions[0]!.probability).toBeCloseTo(highest, 6);
      expect(answer).toMatchObject({ rejected, predictions: [{ label: 'lamp' }] });
      const [batched] = await classifier.classifyBatch([solid(51, 255, 102)], { topK: 1 });
      expect(batched).toMatchObject({ rejected, predictions: answer.predictions });
    }
    expect(await make().classifier.classify(solid(1, 1, 1))).toMatchObject({ rejected: false });
  });

  it('keeps the reject class out of the predictions, and rejects where it wins', async () => {
    // The logits are 10 for lamp, 4 for chair, 2 for clock and 0 for table.
    const picture = solid(51, 255, 102);
    const sum = [10, 4, 2, 0].reduce((total, logit) => total + Math.E ** logit, 0);
    const asking = async (rejectClass: string, labels?: string[]) => {
      const own = {
        ...model,
        ...(labels === undefined ? {} : { labels }),
        confidence: { temperature: 1, rejectClass },
      };
      return new Classifier(own, new FakeSession()).classify(picture, { topK: 4 });
    };
    const chair = await asking('chair');
    expect(chair.predictions.map(({ label }) => label)).toEqual(['lamp', 'clock', 'table']);
    expect(chair.predictions[0]!.probability).toBeCloseTo(Math.E ** 10 / (sum - Math.E ** 4), 6);
    expect(chair.predictions.reduce((total, { probability }) => total + probability, 0)).toBeCloseTo(1, 12);
    expect(chair.noneProbability).toBeCloseTo(Math.E ** 4 / sum, 6);
    expect(chair.rejected).toBe(false);
    const lamp = await asking('lamp');
    expect(lamp.predictions[0]!.label).toBe('chair');
    expect(lamp.noneProbability).toBeCloseTo(Math.E ** 10 / sum, 6);
    expect(lamp.rejected).toBe(true);
    expect(await make().classifier.classify(picture)).not.toHaveProperty('noneProbability');
  });

  it("gives the same for a file's bytes, a Uint8Array view of them and raw pixels", async () => {
    const { classifier } = make();
    const pixels = solid(10, 20, 250);
    const encoded = await png(pixels);
    const expected = (await classifier.classify(pixels)).predictions;
    expect((await classifier.classify(encoded)).predictions).toEqual(expected);
    expect((await classifier.classify(new Uint8Array(encoded))).predictions).toEqual(expected);
  });

  it('returns five predictions by default and never more than there are classes', async () => {
    const { classifier } = make();
    expect((await classifier.classify(solid(1, 2, 3))).predictions).toHaveLength(4);
    expect((await classifier.classify(solid(1, 2, 3), { topK: 99 })).predictions).toHaveLength(4);
    expect((await classifier.classify(solid(1, 2, 3), { topK: 1 })).predictions).toHaveLength(1);
    const labels = Array.from({ length: 20 }, (_, i) => `class ${i}`);
    const many = new Classifier({ ...model, labels }, always(new Float32Array(20)));
    expect((await many.classify(solid(1, 2, 3))).predictions.map(({ label }) => label)).toEqual(labels.slice(0, 5));
  });

  it('tells the time of each stage', async () => {
    const { classifier } = make();
    const encoded = (await classifier.classify(await png(solid(1, 2, 3)))).ms;
    expect(encoded.decode).toBeGreaterThan(0);
    expect(encoded.preprocess).toBeGreaterThan(0);
    expect(encoded.inference).toBeGreaterThan(4);
    expect((await classifier.classify(solid(1, 2, 3))).ms.decode).toBe(0);
  });

  it('keeps overlapping calls apart', async () => {
    const { classifier } = make();
    const colours: [number, number, number][] = [
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
    ];
    const images = Array.from({ length: 30 }, (_, i) => colours[i % 3]!);
    const results = await Promise.all(images.map((colour) => classifier.classify(solid(...colour))));
    expect(results.map(({ predictions }) => predictions[0]!.label)).toEqual(
      images.map((colour) => LABELS[colour.indexOf(255)]),
    );
  });

  it('says so when the model computes no numbers', async () => {
    const broken = new Classifier(model, always(Float32Array.of(1, NaN, 2, 3)));
    const attempt = broken.classify(solid(1, 2, 3));
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_MODEL_ARCHITECTURE' });
    await expect(attempt).rejects.toThrow(/not finite \(NaN\)/);
  });

  it('keeps very large logits apart from overflow', async () => {
    const large = new Classifier(model, always(Float32Array.of(1e30, 3e38, -3e38, 0)));
    const { predictions } = await large.classify(solid(1, 2, 3));
    expect(predictions.map(({ label, probability }) => [label, probability])).toEqual([
      ['lamp', 1],
      ['clock', 0],
      ['chair', 0],
      ['table', 0],
    ]);
  });
});

describe('classifyBatch', () => {
  it('gives what classify gives, in order, whatever mix of inputs', async () => {
    const { classifier, session } = make();
    const images: ImageInput[] = [];
    for (let i = 0; i < 37; i++) {
      const pixels = solid((i * 67) % 256, (i * 31) % 256, (i * 101) % 256);
      images.push(i % 3 === 0 ? await png(pixels) : pixels);
    }
    const batch = await classifier.classifyBatch(images, { topK: 2 });
    expect(session.batches).toEqual(new Array(37).fill(1));
    for (const [i, image] of images.entries()) {
      expect(batch[i]!.predictions).toEqual((await classifier.classify(image, { topK: 2 })).predictions);
    }
  });

  it('gives the same logits on any number of threads, each picture on one', async () => {
    const images = Array.from({ length: 12 }, (_, i) => solid(20 * i, 255 - 20 * i, 7 * i));
    const logitsOf = async (threads: number): Promise<unknown> => {
      await using classifier = await Classifier.load(randomModel(), { threads });
      const batch = await classifier.classifyBatch(images, { logits: true });
      return batch.map(({ logits }) => logits);
    };
    const expected = await logitsOf(1);
    expect(await logitsOf(2)).toEqual(expected);
    expect(await logitsOf(4)).toEqual(expected);
  });

  it('ends with an error of its own when the classifier is disposed meanwhile, and lets it end', async () => {
    const images = Array.from({ length: 12 }, (_, i) => solid(20 * i, 1, 2));
    for (let ticks = 0; ticks < 12; ticks++) {
      const classifier = await Classifier.load(randomModel(), { threads: 3 });
      const batch = classifier.classifyBatch(images).then(
        (results) => results.length,
        (error: NeonsenseError) => error.code,
      );
      for (let i = 0; i < ticks; i++) await new Promise((resolve) => setImmediate(resolve));
      await classifier.dispose();
      expect(['ERR_DISPOSED', 12]).toContain(await batch);
    }
  });

  it('of nothing is nothing', async () => {
    const { classifier, session } = make();
    expect(await classifier.classifyBatch([])).toEqual([]);
    expect(session.batches).toEqual([]);
  });

  it('fails by the name of the picture that fails', async () => {
    const { classifier } = make();
    const attempt = classifier.classifyBatch([solid(1, 2, 3), Buffer.from('plain text'), solid(1, 2, 3)]);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_IMAGE' });
    await expect(attempt).rejects.toThrow(/`images\[1\]` is not a JPEG/);
    const missing = classifier.classifyBatch([solid(1, 2, 3), 'missing.png']);
    await expect(missing).rejects.toThrow(/missing\.png does not exist/);
  });
});

describe('what of an answer is wanted', () => {
  const image = solid(51, 255, 102); // lamp, chair, clock, table

  it('indices, probabilities and logits of all classes', async () => {
    const { classifier } = make();
    const { predictions, probabilities, logits } = await classifier.classify(image, {
      probabilities: true,
      logits: true,
    });
    expect(predictions.map(({ index }) => index)).toEqual([1, 2, 0, 3]);
    for (const { index, probability } of predictions) expect(probabilities![index]).toBe(probability);
    expect(logits!.map(Math.round)).toEqual([2, 10, 4, 0]);
    const plain = await classifier.classify(image);
    expect([plain.probabilities, plain.logits]).toEqual([undefined, undefined]);
  });

  it('some classes only, or all but some, with the probabilities they have among all', async () => {
    const { classifier } = make();
    const all = (await classifier.classify(image)).predictions;
    const labels = async (options: object): Promise<string[]> =>
      (await classifier.classify(image, options)).predictions.map(({ label }) => label);
    expect(await labels({ only: ['table', 'clock'] })).toEqual(['clock', 'table']);
    expect(await labels({ except: ['lamp'], topK: 1 })).toEqual(['chair']);
    expect(await labels({ minProbability: all[1]!.probability })).toEqual(['lamp', 'chair']);
    expect((await classifier.classify(image, { only: ['chair'] })).predictions).toEqual([all[1]]);
  });
});

describe('pictures of every kind', () => {
  it('give what their pixels give', async () => {
    const { classifier } = make();
    const pixels = solid(10, 20, 250);
    const encoded = await png(pixels);
    const expected = (await classifier.classify(pixels)).predictions;
    const file = join(mkdtempSync(join(tmpdir(), 'neonsense-kinds-')), 'a #1.png');
    writeFileSync(file, encoded);
    const rgba = await sharp(encoded).ensureAlpha().raw().toBuffer();
    const kinds: ImageInput[] = [
      file,
      pathToFileURL(file),
      new Uint8Array(encoded).buffer,
      new Blob([encoded]),
      new File([encoded], 'a.png'),
      { data: new Uint8ClampedArray(rgba), width: 5, height: 7 },
      await sharp(encoded).raw().toBuffer({ resolveWithObject: true }),
      await sharp(encoded).webp({ lossless: true }).toBuffer({ resolveWithObject: true }),
    ];
    for (const kind of kinds) expect((await classifier.classify(kind)).predictions).toEqual(expected);
    rmSync(dirname(file), { recursive: true });
  });
});

describe('a batch that collects errors', () => {
  it('has an error in the place of each picture that fails', async () => {
    const { classifier } = make();
    const good = solid(1, 2, 3);
    const results = await classifier.classifyBatch([good, 'missing.png', good, Buffer.from('text')], {
      onError: 'collect',
    });
    expect(results.map((result) => ('error' in result ? result.error.code : 'fine'))).toEqual([
      ...['fine', 'ERR_NOT_FOUND', 'fine', 'ERR_IMAGE'],
    ]);
  });

  it('still ends with the signal', async () => {
    const { classifier } = make();
    const controller = new AbortController();
    const options = { onError: 'collect', signal: controller.signal } as const;
    const call = classifier.classifyBatch(new Array<Pixels>(50).fill(solid(1, 2, 3)), options);
    setTimeout(() => controller.abort(), 10);
    await expect(call).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('arguments', () => {
  const encoded = Buffer.from('x');
  it.each([
    ['no image', (c: Classifier) => c.classify(undefined as never), /file path.*for `image` but received undefined/],
    ['an empty path', (c: Classifier) => c.classify(''), /for `image` but received ""/],
    [
      'a URL that is no file',
      (c: Classifier) => c.classify(new URL('https://example.org/a.png')),
      /a file: URL .*https/,
    ],
    [
      'a class it does not have',
      (c: Classifier) => c.classify(encoded, { only: ['dog'] }),
      /options\.only\[0\].*"dog"/,
    ],
    ['minProbability 2', (c: Classifier) => c.classify(encoded, { minProbability: 2 }), /options\.minProbability/],
    [
      'onError of another kind',
      (c: Classifier) => c.classifyBatch([], { onError: 'x' as never }),
      /'throw' or 'collect'/,
    ],
    ['floats for pixels', (c: Classifier) => c.classify(new Float32Array(9) as never), /for `image`.*Float32Array/],
    ['short pixels', (c: Classifier) => c.classify({ ...solid(1, 2, 3), width: 6 }), /`image\.data`.*length 105/],
    ['topK 0', (c: Classifier) => c.classify(encoded, { topK: 0 }), /`options\.topK` but received 0/],
    ['topK 1.5', (c: Classifier) => c.classify(encoded, { topK: 1.5 }), /`options\.topK` but received 1\.5/],
    ['topK "3"', (c: Classifier) => c.classify(encoded, { topK: '3' as never }), /received "3" of type string/],
    ['a misspelt option', (c: Classifier) => c.classify(encoded, { topk: 3 } as never), /topk.*did you mean topK/],
    ['a foreign option', (c: Classifier) => c.classify(encoded, { top: 3 } as never), /known are topK, only, except/],
    ['options null', (c: Classifier) => c.classify(encoded, null as never), /an object for `options`.*null/],
    ['a signal that is none', (c: Classifier) => c.classify(encoded, { signal: {} as never }), /AbortSignal/],
    ['no array', (c: Classifier) => c.classifyBatch('a.png' as never), /array of pictures for `images`/],
    ['a hole', (c: Classifier) => c.classifyBatch([solid(1, 1, 1), null as never]), /for `images\[1\]`.*null/],
  ])('%s is refused', async (_, call, message) => {
    const attempt = call(make().classifier);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(attempt).rejects.toThrow(message);
  });

  it.each([
    ['threads 0', undefined, { threads: 0 }, /`options\.threads` but received 0/],
    ['threads 1.5', undefined, { threads: 1.5 }, /received 1\.5/],
    ['threads "two"', undefined, { threads: 'two' }, /received "two" of type string/],
    ['a misspelt option', undefined, { thread: 2 }, /options\.thread` is not an option: known are threads, labels/],
    ['a source of another type', 7, {}, /for `source` but received 7/],
    ['an empty path', '', {}, /for `source`/],
    ['too few labels', model, { labels: ['a'] }, /array of 4 names.*length 1/],
    ['a label that is no name', model, { labels: ['a', 'b', '', 'd'] }, /`options\.labels\[2\]`/],
    ['half a preprocessing', model, { preprocessing: { reduce: [1, 1] } }, /`options\.preprocessing\.size`/],
    ['std 0', model, { preprocessing: { ...model.preprocessing, std: [1, 0, 1] } }, /preprocessing\.std.*"1,0,1"/],
  ])('load refuses %s', async (_, source, options, message) => {
    const attempt = Classifier.load(source as string, options as object);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(attempt).rejects.toThrow(message);
  });
});

describe('abort', () => {
  it('before the call, during decoding and during the run', async () => {
    const { classifier, session } = make();
    const image = await png(solid(1, 2, 3));
    const aborted = { signal: AbortSignal.abort() };
    const before = classifier.classify(image, aborted);
    await expect(before).rejects.toMatchObject({ code: 'ERR_ABORTED', name: 'AbortError' });
    await expect(classifier.classifyBatch([image], aborted)).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(session.batches).toEqual([]);

    const early = new AbortController();
    const decoding = classifier.classify(image, { signal: early.signal });
    early.abort();
    await expect(decoding).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(session.batches).toEqual([]);

    const late = new AbortController();
    const running = classifier.classify(solid(1, 2, 3), { signal: late.signal });
    await vi.waitUntil(() => session.batches.length > 0, { interval: 1 });
    late.abort();
    await expect(running).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect((await classifier.classify(image)).predictions).toHaveLength(4);
  });
});

describe('dispose', () => {
  afterEach(() => vi.restoreAllMocks());

  it('disposes the session; later calls fail as disposed', async () => {
    const { classifier, session } = make();
    await classifier.dispose();
    expect(session.disposed).toBe(1);
    await expect(classifier.classify(solid(1, 2, 3))).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    await expect(classifier.classifyBatch([])).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    await classifier.dispose();
  });

  it('fails a call that is still decoding', async () => {
    const { classifier } = make();
    const pending = classifier.classify(await png(solid(1, 2, 3)));
    await Promise.all([expect(pending).rejects.toMatchObject({ code: 'ERR_DISPOSED' }), classifier.dispose()]);
  });

  it('happens at the end of an await using block', async () => {
    const { classifier, session } = make();
    {
      await using used = classifier;
      await used.classify(solid(1, 2, 3));
      expect(session.disposed).toBe(0);
    }
    expect(session.disposed).toBe(1);
  });
});

describe('preprocessing', () => {
  it('is the one the model declares', async () => {
    let tensor = new Float32Array(0);
    const session = {
      run: async (input: Float32Array) => {
        tensor = input.slice();
        return new Float32Array(4);
      },
      dispose: async () => {},
    };
    const data = new Uint8Array(9 * 11 * 3).map((_, i) => (i * 37) % 256);
    const pixels: Pixels = { data, width: 9, height: 11, channels: 3 };
    await new Classifier(model, session).classify(pixels);
    expect(tensor).toEqual(preprocess(pixels, model.preprocessing));
  });
});

it("the default model is looked for in the package's models folder, or the one given", () => {
  expect(defaultModelPath()).toMatch(/[\\/]models[\\/]household-fp32\.safetensors$/);
  expect(defaultModelPath()).not.toMatch(/[\\/](lib|dist)[\\/]/);
  expect(() => defaultModelPath('nowhere')).toThrow(expect.objectContaining({ code: 'ERR_NOT_FOUND' }));
});

describe('a network without a classifier', () => {
  it('embeds pictures, and says that it names none', async () => {
    const features = randomModel({ hidden: 0, classes: 0 });
    await using classifier = await Classifier.load(features);
    const picture = { data: new Uint8Array(64 * 64 * 3).map((_, i) => i), width: 64, height: 64, channels: 3 } as const;
    expect(await classifier.embed(picture)).toHaveLength(72);
    for (const answer of [classifier.classify(picture), classifier.classifyBatch([picture])]) {
      await expect(answer).rejects.toMatchObject({
        code: 'ERR_UNSUPPORTED',
        message: expect.stringContaining('embed'),
      });
    }
  });
});
