import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Classifier } from '../../lib/classify/classifier.js';
import { Embedder } from '../../lib/classify/embedder.js';
import { decodeImage } from '../../lib/image/decode.js';
import { readModel } from '../../lib/model/files.js';
import { preprocess } from '../../lib/runtime/preprocess.js';
import { createSession, Session } from '../../lib/runtime/session.js';
import { projectRoot } from '../cli/run.js';

const file = join(projectRoot, 'models/household-fp16.safetensors');
const example = (name: string): string => join(projectRoot, `examples/${name}.png`);
const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

let embedder: Embedder;
beforeAll(async () => {
  embedder = await Embedder.create(await readModel(file), { threads: 1 });
});
afterAll(() => embedder.dispose());

describe('an embedding', () => {
  it('is the pooled features, of length 1', async () => {
    const model = await readModel(file);
    await using session = await createSession(model, { threads: 1, outputs: ['pool'] });
    const pool = await session.run(preprocess(await decodeImage(example('clock')), model.preprocessing));
    const vector = await embedder.embed(example('clock'));
    expect(vector).toHaveLength(embedder.width);
    expect(dot(vector, vector)).toBeCloseTo(1, 5);
    const length = Math.sqrt(dot(pool, pool));
    vector.forEach((x, i) => {
      expect(x).toBeCloseTo(pool[i]! / length, 6);
    });
  });

  it('is the same for a file, its bytes and its pixels', async () => {
    const vector = await embedder.embed(example('lamp'));
    const { readFile } = await import('node:fs/promises');
    expect(await embedder.embed(new Uint8Array(await readFile(example('lamp'))))).toEqual(vector);
    expect(await embedder.embed(await decodeImage(example('lamp')))).toEqual(vector);
  });

  it('is refused for what is no picture', async () => {
    await expect(embedder.embed(7 as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(embedder.embed('/nowhere.jpg')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });
});

describe('classifier.embed', () => {
  it('gives pictures that overlap what each gets alone, on sessions of one thread', async () => {
    const another = vi.spyOn(Session.prototype, 'another');
    await using classifier = await Classifier.load(file, { threads: 2 });
    const names = ['chair', 'lamp', 'clock', 'bed', 'table'].map(example);
    const alone: Float32Array[] = [];
    for (const name of names) alone.push(await embedder.embed(name));
    expect(another).not.toHaveBeenCalled();
    const vectors = await classifier.embed(names);
    expect(another.mock.calls).toEqual([[1], [1]]);
    expect(vectors).toHaveLength(names.length);
    for (const [i, vector] of vectors.entries()) expect(dot(vector, alone[i]!)).toBeCloseTo(1, 5);
  });

  it('gives one vector for one picture, and one for each of many', async () => {
    await using classifier = await Classifier.load(file, { threads: 1 });
    const vector = await classifier.embed(example('chair'));
    expect(vector).toEqual(await embedder.embed(example('chair')));
    const [first, second] = await classifier.embed([example('chair'), example('lamp')]);
    expect(first).toEqual(vector);
    expect(dot(first!, second!)).toBeLessThan(0.99);
  });

  it('works for a model that was given, and for one chosen here', async () => {
    await using given = await Classifier.load(await readModel(file), { threads: 1 });
    await using chosen = await Classifier.load({ variant: 'household-fp16', threads: 1 });
    expect(await given.embed(example('bed'))).toEqual(await chosen.embed(example('bed')));
  });

  it('is refused after the classifier was disposed', async () => {
    const classifier = await Classifier.load(file, { threads: 1 });
    await classifier.embed(example('bed'));
    await classifier.dispose();
    await expect(classifier.embed(example('bed'))).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });
});
