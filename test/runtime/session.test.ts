import { describe, expect, it } from 'vitest';
import { prune } from '../../lib/compress/stages/prune.js';
import { quantizeDynamic } from '../../lib/compress/stages/quantizeDynamic.js';
import { quantizeStatic } from '../../lib/compress/stages/quantizeStatic.js';
import { NeonsenseError } from '../../lib/errors.js';
import { createSession } from '../../lib/runtime/session.js';
import { observe, relativeError } from '../compress/running.js';
import { randomImages, randomModel } from '../randomModel.js';

const model = randomModel();
const imageSize = 64 * 64 * 3;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => 'nothing was thrown',
    (reason: unknown) => reason,
  );
  return error instanceof NeonsenseError ? error.code : String(error);
}

describe('createSession', () => {
  it.each([0, 1.5, -1, 257, NaN, 'two', null])('refuses threads: %j', async (threads) => {
    const creation = createSession(model, { threads: threads as number });
    await expect(creation).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(creation).rejects.toThrow(/`threads`/);
  });

  it('refuses an option that is not a boolean', async () => {
    expect(await codeOf(createSession(model, { profile: 1 as unknown as boolean }))).toBe('ERR_INVALID_ARGUMENT');
  });

  it('refuses to be sparse and half-precision at once', async () => {
    const creation = createSession(model, { sparse: true, fp16: true });
    await expect(creation).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(creation).rejects.toThrow(/`sparse`/);
  });

  it('names the layer that is missing', async () => {
    const layers = new Map(model.layers);
    layers.delete('features.3.block.1.0');
    await expect(createSession({ ...model, layers })).rejects.toThrow(/features\.3\.block\.1\.0/);
  });

  it('says what goes in and what comes out', async () => {
    await using session = await createSession(model, { threads: 1 });
    expect(session.inputs).toEqual([{ name: 'input', shape: [null, 64, 64, 3], type: 'float32' }]);
    expect(session.outputs).toEqual([{ name: 'logits', shape: [null, 10], type: 'float32' }]);
    expect(session.threads).toBe(1);
  });
});

describe('session.run', () => {
  it('gives each image of a batch the logits it gets alone, on any number of threads', async () => {
    const images = randomImages(model, 5);
    await using one = await createSession(model, { threads: 1 });
    await using three = await createSession(model, { threads: 3 });
    const batch = await one.run(images);
    expect(batch).toHaveLength(50);
    expect(await three.run(images)).toEqual(batch);
    for (let i = 0; i < 5; i++) {
      const alone = await one.run(images.slice(i * imageSize, (i + 1) * imageSize));
      expect(alone).toEqual(batch.slice(i * 10, (i + 1) * 10));
    }
    expect(new Set(batch).size).toBeGreaterThan(40);
  });

  it('gives a pruned model the same logits with sparse kernels as without', async () => {
    const { model: pruned } = prune(model, { amount: 0.8 });
    const images = randomImages(model, 2);
    await using dense = await createSession(pruned, { threads: 1, sparse: false });
    await using sparse = await createSession(pruned, { threads: 1 });
    const [expected, actual] = [await dense.run(images), await sparse.run(images)];
    const range = Math.max(...expected) - Math.min(...expected);
    actual.forEach((logit, i) => expect(Math.abs(logit - expected[i]!)).toBeLessThan(1e-4 * range));
  });

  it('writes to the array it is given', async () => {
    await using session = await createSession(model, { threads: 1 });
    const images = randomImages(model, 2);
    const output = new Float32Array(20);
    expect(await session.run(images, { output })).toBe(output);
    expect(output).toEqual(await session.run(images));
  });

  it('runs calls that overlap one after the other, each with its own result', async () => {
    await using session = await createSession(model, { threads: 2 });
    const inputs = Array.from({ length: 6 }, (_, i) => randomImages(model, 1 + (i % 2), i));
    const together = await Promise.all(inputs.map((input) => session.run(input)));
    for (const [i, input] of inputs.entries()) expect(await session.run(input)).toEqual(together[i]);
  });

  it.each([
    ['an empty array', new Float32Array(0)],
    ['one float too few', new Float32Array(imageSize - 1)],
    ['one float too many', new Float32Array(imageSize + 1)],
    ['doubles', new Float64Array(imageSize)],
    ['an array of numbers', Array.from({ length: imageSize }, () => 0)],
    ['nothing', undefined],
  ])('refuses %s and says what it takes', async (_, input) => {
    await using session = await createSession(model, { threads: 1 });
    const run = session.run(input as Float32Array);
    await expect(run).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(run).rejects.toThrow(/\[N, 64, 64, 3\]/);
  });

  it('refuses an output array of another length', async () => {
    await using session = await createSession(model, { threads: 1 });
    const run = session.run(randomImages(model, 1), { output: new Float32Array(9) });
    expect(await codeOf(run)).toBe('ERR_INVALID_ARGUMENT');
  });

  it('survives NaN and infinite pixels', async () => {
    await using session = await createSession(model, { threads: 1 });
    const input = new Float32Array(imageSize).fill(NaN);
    input[7] = Infinity;
    expect(await session.run(input)).toHaveLength(10);
  });

  it('fails without crashing when its input is transferred away during the run', async () => {
    await using session = await createSession(model, { threads: 1 });
    const input = randomImages(model, 8);
    const run = session.run(input);
    structuredClone(input, { transfer: [input.buffer as ArrayBuffer] });
    await expect(run).rejects.toMatchObject({ code: 'ERR_NATIVE' });
    expect(await session.run(randomImages(model, 1))).toHaveLength(10);
  });

  it('fails without crashing when its output is transferred away during the run', async () => {
    await using session = await createSession(model, { threads: 1 });
    const output = new Float32Array(10);
    const run = session.run(randomImages(model, 1), { output });
    await Promise.resolve().then(() => structuredClone(output, { transfer: [output.buffer] }));
    await expect(run).rejects.toMatchObject({ code: 'ERR_NATIVE' });
  });
});

describe('aborting', () => {
  it('refuses a signal that has fired already', async () => {
    await using session = await createSession(model, { threads: 1 });
    const run = session.run(randomImages(model, 1), { signal: AbortSignal.abort('enough') });
    await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED', name: 'AbortError', cause: 'enough' });
  });

  it('ends a run between two images, and the session goes on', async () => {
    await using session = await createSession(model, { threads: 1 });
    const controller = new AbortController();
    const output = new Float32Array(400 * 10);
    const run = session.run(randomImages(model, 400), { signal: controller.signal, output });
    setTimeout(() => controller.abort(), 5);
    await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(await session.run(randomImages(model, 1))).toHaveLength(10);
    expect(output.at(-1)).toBe(0);
  });
});

describe('disposing', () => {
  it('refuses every call afterwards', async () => {
    const session = await createSession(model, { threads: 1, profile: true });
    await session.dispose();
    expect(await codeOf(session.run(randomImages(model, 1)))).toBe('ERR_DISPOSED');
    expect(() => session.profile()).toThrow(/disposed/);
    await session.dispose();
  });

  it('waits for the runs that were accepted', async () => {
    const session = await createSession(model, { threads: 1 });
    const order: string[] = [];
    const runs = [1, 2].map((count) => session.run(randomImages(model, count)).then(() => order.push('run')));
    await session.dispose().then(() => order.push('disposed'));
    await Promise.all(runs);
    expect(order).toEqual(['run', 'run', 'disposed']);
  });

  it('gives memory back: a hundred sessions need no more than ten', async () => {
    const cycle = async (count: number): Promise<number> => {
      for (let i = 0; i < count; i++) {
        await using session = await createSession(model, { threads: 2 });
        await session.run(randomImages(model, 1));
      }
      return process.memoryUsage().rss;
    };
    const before = await cycle(10);
    const grown = (await cycle(100)) - before;
    // One session of this size is over 1 MB.
    expect(grown).toBeLessThan(40 * 2 ** 20);
  });
});

describe('session.profile', () => {
  it('has one entry for each layer of the network, in order', async () => {
    await using session = await createSession(model, { threads: 1, profile: true });
    await session.run(randomImages(model, 1));
    const profile = session.profile();
    expect(profile[0]).toMatchObject({ layer: 'features.0.0' });
    expect(profile.at(-1)).toMatchObject({ layer: 'classifier.3' });
    const names = profile.map(({ layer }) => layer);
    for (const name of model.layers.keys()) expect(names).toContain(name);
    expect(profile.every(({ ms, operator }) => ms >= 0 && operator.length > 0)).toBe(true);
  });

  it('is refused unless asked for', async () => {
    await using session = await createSession(model, { threads: 1 });
    expect(() => session.profile()).toThrow(/profile: true/);
  });
});

describe('outputs', () => {
  it('gives any value of the network by name, the logits as a plain run gives them', async () => {
    const input = randomImages(model, 1);
    const sizes = {
      'features.0.0': 32 * 32 * 8,
      'features.0.0.hard-swish': 32 * 32 * 8,
      'features.1.pool': 8,
      'features.1.scale': 16 * 16 * 8,
      'features.3.add': 8 * 8 * 8,
      pool: 72,
      logits: 10,
    };
    await using session = await createSession(model, { threads: 1, outputs: Object.keys(sizes) });
    const values = await session.runAll(input);
    expect(Object.keys(values)).toEqual(Object.keys(sizes));
    for (const [name, size] of Object.entries(sizes)) expect(values[name], name).toHaveLength(size);
    await using plain = await createSession(model, { threads: 1 });
    expect(values['logits']).toEqual(await plain.run(input));
    expect(session.outputs[0]).toEqual({ name: 'features.0.0', shape: [null, 32, 32, 8], type: 'float32' });
    expect(session.outputs.slice(-2)).toEqual([
      { name: 'pool', shape: [null, 72], type: 'float32' },
      { name: 'logits', shape: [null, 10], type: 'float32' },
    ]);
  });

  it('come in the order asked for, image by image', async () => {
    const input = randomImages(model, 3);
    await using session = await createSession(model, { threads: 1, outputs: ['logits', 'pool'] });
    const { logits, pool } = await session.runAll(input);
    await using features = await createSession(model, { threads: 1, outputs: ['pool'] });
    await using plain = await createSession(model, { threads: 1 });
    expect(logits).toEqual(await plain.run(input));
    expect(pool).toEqual(await features.run(input));
    expect(pool).toHaveLength(3 * 72);
  });

  it('give a layer before its clamp under a name of its own', async () => {
    const input = randomImages(model, 1);
    const relu = 'features.2.block.0.0';
    const swish = 'features.0.0';
    const gate = 'features.1.block.1.fc2';
    const outputs = [relu, swish, gate].flatMap((name) => [name, `${name}:raw`]);
    await expect(createSession(model, { threads: 1, outputs })).rejects.toThrow(/different values.*features.0.0:raw/s);
    await using session = await createSession(model, {
      threads: 1,
      outputs: outputs.filter((name) => name !== swish),
    });
    const values = await session.runAll(input);
    const raw = values[`${relu}:raw`]!;
    expect(raw.some((x) => x < 0)).toBe(true);
    expect(raw.map((x) => Math.max(0, x))).toEqual(values[relu]);
    values[`${gate}:raw`]!.forEach((x, c) => {
      expect(values[gate]![c]).toBeCloseTo(Math.min(1, Math.max(0, x / 6 + 0.5)), 5);
    });
    await using stopping = await createSession(model, { threads: 1, outputs: [`${relu}:raw`] });
    expect(await stopping.run(input)).toEqual(raw);
    expect(stopping.outputs).toEqual([{ name: `${relu}:raw`, shape: [null, 16, 16, 24], type: 'float32' }]);
  });

  it('give a layer before and behind its clamp though the model is consumed', async () => {
    const outputs = ['features.2.block.0.0', 'features.2.block.0.0:raw', 'logits'];
    const input = randomImages(model, 1);
    await using kept = await createSession(model, { threads: 1, outputs });
    await using consumed = await createSession(randomModel(), { threads: 1, outputs, consume: true });
    expect(await consumed.runAll(input)).toEqual(await kept.runAll(input));
  });

  it('are floats for int8 models too', async () => {
    const input = randomImages(model, 1);
    await using float = await createSession(model, { threads: 1, outputs: ['pool'] });
    const expected = await float.run(input);
    await using dynamic = await createSession(quantizeDynamic(model), { threads: 1, outputs: ['logits', 'pool'] });
    expect(relativeError((await dynamic.runAll(input))['pool']!, expected)).toBeLessThan(0.2);
    const { model: quantized } = await quantizeStatic(model, { calibration: [input], observe });
    await using fixed = await createSession(quantized, { threads: 1, outputs: ['pool', 'logits'] });
    const { pool, logits } = await fixed.runAll(input);
    await using plain = await createSession(quantized, { threads: 1 });
    expect(logits).toEqual(await plain.run(input));
    expect(relativeError(pool!, expected)).toBeLessThan(0.5);
    const raw = createSession(quantized, { outputs: ['features.2.block.0.0:raw'] });
    await expect(raw).rejects.toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  });

  it('are refused where they name no value, or one twice', async () => {
    const refused: unknown[] = [['features.99'], ['input'], ['logits', 'pool', 'logits'], ['logits', 'classifier.3']];
    for (const outputs of [...refused, [], 'logits', [3], null]) {
      expect(await codeOf(createSession(model, { outputs } as object)), String(outputs)).toBe('ERR_INVALID_ARGUMENT');
    }
    await expect(createSession(model, { outputs: ['logit'] })).rejects.toThrow(/logits or pool.*logit/s);
  });

  it('of several names need runAll, which counts images and stops as run does', async () => {
    await using session = await createSession(model, { threads: 1, outputs: ['logits', 'pool'] });
    expect(await codeOf(session.run(randomImages(model, 1)))).toBe('ERR_UNSUPPORTED');
    expect(await codeOf(session.runAll(new Float32Array(7)))).toBe('ERR_INVALID_ARGUMENT');
    const aborted = session.runAll(randomImages(model, 1), { signal: AbortSignal.abort() });
    expect(await codeOf(aborted)).toBe('ERR_ABORTED');
    await session.dispose();
    expect(await codeOf(session.runAll(randomImages(model, 1)))).toBe('ERR_DISPOSED');
  });
});

describe('a consumed model', () => {
  it('runs as the kept one does', async () => {
    const images = randomImages(model, 2);
    await using kept = await createSession(model, { threads: 1 });
    await using consumed = await createSession(randomModel(), { threads: 1, consume: true });
    expect(await consumed.run(images)).toEqual(await kept.run(images));
  });

  it('is refused at its second use, however it is asked for', async () => {
    const once = randomModel();
    const sessions = await Promise.allSettled(
      Array.from({ length: 4 }, () => createSession(once, { threads: 1, consume: true })),
    );
    expect(sessions.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
    const again = createSession({ ...once, layers: new Map(once.layers) }, { threads: 1 });
    await expect(again).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(again).rejects.toThrow(/`model`.*`consume: true`/);
    const images = randomImages(model, 1);
    const [first] = sessions;
    if (first?.status !== 'fulfilled') throw new Error('expected a session');
    await using session = first.value;
    await using kept = await createSession(model, { threads: 1 });
    expect(await session.run(images)).toEqual(await kept.run(images));
  });

  it('is refused where its memory was transferred away', async () => {
    const lost = randomModel();
    const { data } = lost.layers.get('features.0.0')!.weights;
    structuredClone(data.buffer, { transfer: [data.buffer as ArrayBuffer] });
    await expect(createSession(lost, { threads: 1 })).rejects.toThrow(/transferred away \(layer features\.0\.0\)/);
  });

  it('is left alone unless asked', async () => {
    const images = randomImages(model, 1);
    await using first = await createSession(model, { threads: 1 });
    await using second = await createSession(model, { threads: 1 });
    expect(await second.run(images)).toEqual(await first.run(images));
  });
});
