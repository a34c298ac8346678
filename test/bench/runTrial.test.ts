import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trialRunner } from '../../lib/bench/runTrial.js';
import type { TrialSpec } from '../../lib/bench/trialSpec.js';
import { sharedDir } from '../shared.js';

const spec: TrialSpec = {
  engine: 'bare',
  file: 'model.x',
  threads: 1,
  batch: 1,
  warmup: 0,
  runs: 3,
  fp16: false,
  sparse: false,
  profile: false,
  size: [224, 224],
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'neonsense-trial-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function script(name: string, source: string) {
  await writeFile(join(folder, name), source);
  return trialRunner(pathToFileURL(join(folder, name)));
}

describe('trialRunner', () => {
  it('passes the spec to a process of its own and brings its result back', async () => {
    const run = await script(
      'good.mjs',
      `const spec = JSON.parse(process.argv[2]);
       const result = { initMs: process.pid, firstMs: spec.runs, samplesMs: [], peakRssBytes: 1, logits: [] };
       process.send({ result }, () => process.exit());`,
    );
    const [first, second] = [await run(spec), await run(spec)];
    expect(first.firstMs).toBe(3);
    expect(first.initMs).not.toBe(process.pid);
    expect(first.initMs).not.toBe(second.initMs);
  });

  it("tells a trial's own reason for failing", async () => {
    const run = await script('bad.mjs', "process.send({ error: 'no such kernel' }, () => process.exit(1));");
    await expect(run(spec)).rejects.toMatchObject({
      code: 'ERR_NATIVE',
      message: expect.stringMatching(/bare failed: no such kernel/),
    });
  });

  it('refuses a record that is none, and says where it is wrong', async () => {
    const record = { initMs: 1, firstMs: 1, samplesMs: [1, 'fast'], peakRssBytes: 1, logits: [] };
    const run = await script('odd.mjs', `process.send({ result: ${JSON.stringify(record)} }, () => process.exit());`);
    await expect(run(spec)).rejects.toMatchObject({
      code: 'ERR_NATIVE',
      message:
        'A trial of bare failed: Expected milliseconds for `result.samplesMs[1]` but received "fast" of type string',
    });
  });

  it('takes logits that are no numbers, which JSON has as null, for NaN', async () => {
    const record = { initMs: 1, firstMs: 1, samplesMs: [], peakRssBytes: 1, logits: [1, null] };
    const run = await script('nan.mjs', `process.send({ result: ${JSON.stringify(record)} }, () => process.exit());`);
    expect((await run(spec)).logits).toEqual([1, Number.NaN]);
  });

  it('tells how a process died that sent nothing, with its last words', async () => {
    const dying = "process.stderr.write('out of luck', () => process.kill(process.pid, 'SIGTERM'));";
    const killed = await script('killed.mjs', dying);
    await expect(killed(spec)).rejects.toThrow(/SIGTERM.*out of luck/);
    const silent = await script('silent.mjs', 'process.exit(3);');
    await expect(silent(spec)).rejects.toThrow(/exit code 3/);
  });

  it('kills the process when aborted', async () => {
    const run = await script('endless.mjs', 'setInterval(() => undefined, 1000);');
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 200);
    // It waits for the end of the process, which would never come.
    await expect(run(spec, abort.signal)).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await expect(run(spec, AbortSignal.abort())).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

const built = new URL('../../dist/bench/trial.js', import.meta.url);
const addon = new URL('../../build/Release/neonsense.node', import.meta.url);
const checkpoint = join(sharedDir() ?? '', 'checkpoints', 'household-first.pth');

describe.skipIf(!existsSync(built) || !existsSync(addon) || !existsSync(checkpoint))(
  'a trial of the built engine (skipped without dist/, the addon or ../shared)',
  () => {
    it('measures every phase, and more memory than bare Node takes', async () => {
      const run = trialRunner(built);
      const bare = await run(spec);
      const result = await run({ ...spec, engine: 'neonsense', file: checkpoint, warmup: 1, profile: true });
      expect(result.samplesMs).toHaveLength(3);
      for (const ms of [result.initMs, result.firstMs, ...result.samplesMs]) expect(ms).toBeGreaterThan(0);
      expect(result.logits).toHaveLength(10);
      expect(result.peakRssBytes).toBeGreaterThan(bare.peakRssBytes);
      expect(bare.peakRssBytes).toBeGreaterThan(20e6);
      expect(result.profile!.length).toBeGreaterThan(54);
    });

    it('says what is wrong with a model that is not there', async () => {
      const missing = trialRunner(built)({ ...spec, engine: 'neonsense', file: join(folder, 'gone.safetensors') });
      await expect(missing).rejects.toThrow(/gone\.safetensors/);
    });
  },
);
