// Sessions that share packed weights answer as if each had its own, however and wherever the others end.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { readModel } from '../../lib/model/files.js';
import { seededRandom } from '../../lib/numbers/random.js';
import { createSession } from '../../lib/runtime/session.js';
import { SessionPool } from '../../lib/runtime/sessionPool.js';
import { randomImages, randomModel } from '../randomModel.js';

const root = join(import.meta.dirname, '../..');
const models = readdirSync(join(root, 'models')).filter((name) => name.endsWith('.safetensors'));

function noise(length: number): Float32Array {
  const random = seededRandom(7);
  return Float32Array.from({ length }, () => 2 * random() - 1);
}

describe('another session', () => {
  it.each(models)('of %s gives the same numbers, also when the first is closed', async (name) => {
    const first = await createSession(await readModel(join(root, 'models', name)), { threads: 2, consume: true });
    const image = noise(first.inputs[0]!.shape.slice(1).reduce<number>((size, side) => size * side!, 1));
    const expected = await first.run(image);
    const second = await first.another(1);
    const third = await second?.another(3);
    await first.dispose();
    if (second === undefined) return;
    expect(await second.run(image)).toEqual(expected);
    await second.dispose();
    expect(await third!.run(image)).toEqual(expected);
    expect([third!.threads, third!.outputs]).toEqual([3, first.outputs]);
    await third!.dispose();
  });

  it('can be had of a float model', async () => {
    await using session = await createSession(randomModel(), { threads: 1 });
    await using another = await session.another(1);
    expect(another).toBeDefined();
  });

  it('is refused by a session that is closed', async () => {
    const session = await createSession(randomModel(), { threads: 1 });
    await session.dispose();
    await expect(session.another(1)).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });
});

describe('sessions of the same content', () => {
  it('go on when one of them is closed', async () => {
    const model = randomModel();
    const images = randomImages(model, 2);
    const first = await createSession(model, { threads: 1 });
    await using second = await createSession(model, { threads: 1 });
    const expected = await first.run(images);
    await first.dispose();
    expect(await second.run(images)).toEqual(expected);
  });

  it('go on when the worker of one of them is stopped, and in the worker that is left', async () => {
    const file = join(root, 'models/household-fp32.safetensors');
    const source = `
      const { parentPort, workerData } = require('node:worker_threads');
      const { createSession, readModel } = require(workerData.library);
      (async () => {
        const session = await createSession(await readModel(workerData.file), { threads: 1 });
        const image = new Float32Array(224 * 224 * 3).fill(0.5);
        parentPort.on('message', async () => parentPort.postMessage(await session.run(image)));
        parentPort.postMessage('ready');
      })();`;
    const workerData = { library: join(root, 'dist/index.cjs'), file };
    const begin = async (): Promise<Worker> => {
      const worker = new Worker(source, { eval: true, workerData });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      return worker;
    };
    const ask = (worker: Worker): Promise<Float32Array> =>
      new Promise((resolve, reject) => {
        worker.once('message', resolve).once('error', reject);
        worker.postMessage('run');
      });
    const own = await createSession(await readModel(file), { threads: 1 });
    const expected = await own.run(new Float32Array(224 * 224 * 3).fill(0.5));
    const workers = await Promise.all([begin(), begin()]);
    expect(await ask(workers[0])).toEqual(expected);
    // In the middle of a run.
    workers[0].postMessage('run');
    await workers[0].terminate();
    expect(await own.run(new Float32Array(224 * 224 * 3).fill(0.5))).toEqual(expected);
    await own.dispose();
    expect(await ask(workers[1])).toEqual(expected);
    await workers[1].terminate();
  });
});

describe('a pool', () => {
  const model = randomModel();
  const pixels = (level: number) => ({
    ...{ data: new Uint8Array(64 * 64 * 3).fill(level), width: 64, height: 64 },
    channels: 3 as const,
  });

  it.each([1, 2, 4])('over a session of %i threads gives each picture what it gets alone', async (threads) => {
    await using session = await createSession(model, { threads });
    const pool = await SessionPool.over(session);
    const levels = Array.from({ length: 20 }, (_, i) => 12 * i);
    const together = await Promise.all(levels.map((level) => pool.runImage(pixels(level), {})));
    for (const [i, level] of levels.entries()) {
      expect(together[i]!.output).toEqual((await session.runImage(pixels(level))).output);
    }
    await pool.dispose();
    // It is its owner's to close.
    expect((await session.runImage(pixels(1))).output).toHaveLength(10);
  });

  it('leaves what waits for a session when it is aborted', async () => {
    await using session = await createSession(model, { threads: 2 });
    const pool = await SessionPool.over(session);
    const signal = AbortSignal.abort();
    const runs = Array.from({ length: 5 }, () => pool.runImage(pixels(5), { signal }));
    for (const run of runs) await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect((await pool.runImage(pixels(5), {})).output).toHaveLength(10);
    await pool.dispose();
  });
});
