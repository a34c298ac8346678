// The real Windows addon in Node for Windows under Wine. Needs the prebuilt binary and Wine:
//
//   node scripts/build/prebuild/prebuild.mjs win32-x64 && NEONSENSE_WINE=1 npx vitest run test/windows
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
// @ts-expect-error scripts without types
import { targets } from '../../scripts/build/cross/targets.mjs';
// @ts-expect-error scripts without types
import { runnersFor } from '../../scripts/proof/prebuilt/runners.mjs';
import { bundleGoldenRun } from '../arm64/bundleGoldenRun.js';
import { sharedDir } from '../shared.js';

const root = join(import.meta.dirname, '../..');
const wanted = process.env['NEONSENSE_WINE'] === '1';
const bundle = join(root, 'build-win32-x64/golden-run.mjs');
const MINUTES = 60_000;
/** Every how many of the 1,000 pictures. */
const SAMPLE = 10;

interface Ended {
  readonly code: number | null;
  /** Of both streams. */
  readonly output: string;
}

/** Runs Node for Windows. */
async function node(...args: string[]): Promise<Ended> {
  const [runner] = runnersFor(targets['win32-x64'], { nodes: ['22'], cpus: [] });
  const [program, ...before] = runner.command();
  const env = { ...process.env, NEONSENSE_BINARY: join(root, 'prebuilds/win32-x64/neonsense.node') };
  return new Promise((resolve) => {
    const options = { cwd: root, timeout: 4 * MINUTES, maxBuffer: 2 ** 26, env };
    const child = execFile(program, [...before, ...args], options, (_, output) => {
      resolve({ code: child.exitCode, output });
    });
  });
}

/** Runs `source` as a module, with a model and images at hand. */
function run(source: string): Promise<Ended> {
  const module = `
    import { Worker } from 'node:worker_threads';
    import { createSession, readModel } from '${join(root, 'dist/index.js')}';
    const model = await readModel('${join(root, 'models/household-fp32.safetensors')}');
    const image = new Float32Array(224 * 224 * 3).fill(0.25);
    const batch = new Float32Array(20 * image.length);
    ${source}`;
  return node('--input-type=module', '--eval', module);
}

const title = wanted ? 'Node for Windows' : 'Node for Windows (skipped: NEONSENSE_WINE is not 1)';

describe.skipIf(!wanted)(title, { timeout: 5 * MINUTES }, () => {
  beforeAll(async () => {
    await bundleGoldenRun(bundle);
  }, MINUTES);

  it('agrees with PyTorch', async () => {
    process.env['NEONSENSE_MODELS'] = join(root, 'models');
    const { code, output } = await node(bundle, join(root, 'test/golden'), sharedDir() ?? '-', String(SAMPLE));
    expect(code, output).toBe(0);
    // The checks throw beyond their tolerance; what is left is that they ran, and where.
    const { arch, results } = JSON.parse(output.trim().split('\n').at(-1)!);
    expect(arch).toBe('x64');
    expect(results['random-small-37'].images).toBeGreaterThan(0);
    if (sharedDir() !== undefined) expect(results['household-first'].images).toBe(1000 / SAMPLE);
  });

  it('ends by itself after a run without dispose', async () => {
    const { code, output } = await run(
      'const s = await createSession(model, { threads: 2 }); console.log((await s.run(image)).length);',
    );
    expect(output.trim()).toBe('11');
    expect(code).toBe(0);
  });

  it('ends at once with process.exit during a run, and while a session is being packed', async () => {
    const during = await run(`
      const s = await createSession(model, { threads: 2 });
      s.run(batch).catch(() => {});
      setTimeout(() => process.exit(7), 3);`);
    expect(during).toEqual({ code: 7, output: '' });
    expect(await run('createSession(model, { threads: 2 }); process.exit(7);')).toEqual({ code: 7, output: '' });
  });

  it('goes on when a worker that runs a session is terminated', async () => {
    const { code, output } = await run(`
      const source = \`
        const { parentPort } = require('node:worker_threads');
        const { createSession, readModel } = require('${join(root, 'dist/index.cjs')}');
        readModel('${join(root, 'models/household-fp32.safetensors')}').then(async (model) => {
          const s = await createSession(model, { threads: 2 });
          parentPort.postMessage('runs');
          for (;;) await s.run(new Float32Array(20 * 224 * 224 * 3));
        });\`;
      for (let i = 0; i < 3; i++) {
        const worker = new Worker(source, { eval: true, execArgv: [] });
        await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
        await worker.terminate();
      }
      const s = await createSession(model, { threads: 2 });
      console.log((await s.run(image)).length);
      await s.dispose();`);
    expect(output.trim()).toBe('11');
    expect(code).toBe(0);
  });
});
