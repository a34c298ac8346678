// Every way an environment can end while the addon is at work: the process must end by itself, with the right code.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** Runs `source` as a module in a Node of its own, against dist/, with a session and an image at hand. */
function run(source: string): { status: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string } {
  const preamble = `
    import { createSession, readModel } from ${JSON.stringify(join(root, 'dist/index.js'))};
    import { Worker, isMainThread } from 'node:worker_threads';
    const model = await readModel(${JSON.stringify(join(root, 'models/household-fp32.safetensors'))});
    const image = new Float32Array(224 * 224 * 3).fill(0.25);
    const batch = new Float32Array(20 * image.length);
  `;
  const result = spawnSync(process.execPath, ['--input-type=module', '--eval', preamble + source], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status: result.status, signal: result.signal, stdout: result.stdout, stderr: result.stderr };
}

const clean = { status: 0, signal: null, stderr: '' };

describe('a process', () => {
  it('ends by itself after a run without dispose', () => {
    const result = run(
      `const s = await createSession(model, { threads: 2 }); console.log((await s.run(image)).length)`,
    );
    expect(result).toMatchObject({ ...clean, stdout: '11\n' });
  });

  it('ends at once with process.exit during a run', () => {
    const result = run(`
      const s = await createSession(model, { threads: 2 });
      s.run(batch).catch(() => {});
      setTimeout(() => process.exit(7), 3);
    `);
    expect(result).toMatchObject({ status: 7, signal: null, stderr: '' });
  });

  it('ends with process.exit while a session is being packed', () => {
    const result = run(`createSession(model, { threads: 2 }); process.exit(7)`);
    expect(result).toMatchObject({ status: 7, signal: null, stderr: '' });
  });

  it('reports an uncaught error during a run as any other', () => {
    const result = run(`
      const s = await createSession(model, { threads: 1 });
      s.run(batch);
      throw new Error('on purpose');
    `);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('on purpose');
  });

  it('finishes a pending run before it ends', () => {
    const result = run(`
      const s = await createSession(model, { threads: 1 });
      s.run(batch).then((logits) => console.log(logits.length));
    `);
    expect(result).toMatchObject({ ...clean, stdout: '220\n' });
  });
});

describe('worker threads', () => {
  const worker = (body: string): string => `
    new Worker(\`
      import(${JSON.stringify(join(root, 'dist/index.js'))}).then(async ({ createSession, readModel }) => {
        const { parentPort } = require('node:worker_threads');
        const model = await readModel(${JSON.stringify(join(root, 'models/household-fp32.safetensors'))});
        const image = new Float32Array(224 * 224 * 3).fill(0.25);
        const session = await createSession(model, { threads: 1 });
        ${body}
      });
    \`, { eval: true, execArgv: [] })
  `;

  it('each have sessions of their own, with the same results as the main thread', () => {
    const result = run(`
      const start = () => new Promise((resolve) => {
        const w = ${worker('parentPort.postMessage(await session.run(image));')};
        w.once('message', resolve);
      });
      const s = await createSession(model, { threads: 1 });
      const results = await Promise.all([start(), start(), s.run(image)]);
      console.log(new Set(results.map((r) => r.join())).size);
    `);
    expect(result).toMatchObject({ ...clean, stdout: '1\n' });
  });

  it('can be terminated during a run, again and again', () => {
    const result = run(`
      for (let i = 0; i < 8; i++) {
        const w = ${worker('parentPort.postMessage(1); for (;;) await session.run(image);')};
        await new Promise((resolve) => w.once('message', resolve));
        await w.terminate();
      }
      const s = await createSession(model, { threads: 1 });
      console.log((await s.run(image)).length);
    `);
    expect(result).toMatchObject({ ...clean, stdout: '11\n' });
  });
});

describe('garbage collection', () => {
  it('frees sessions that were dropped without dispose', () => {
    const result = run(`
      import { setFlagsFromString } from 'node:v8';
      import { runInNewContext } from 'node:vm';
      setFlagsFromString('--expose-gc');
      const gc = runInNewContext('gc');
      const settle = async () => { for (let i = 0; i < 3; i++) { gc(); await new Promise((r) => setTimeout(r, 5)); } };
      const cycle = async (n) => { for (let i = 0; i < n; i++) { const s = await createSession(model, { threads: 1 }); await s.run(image); if (i % 5 === 4) await settle(); } };
      await cycle(10); await settle();
      const before = process.memoryUsage().rss;
      await cycle(40); await settle();
      // 40 sessions of over 8 MB each would be 320 MB.
      console.log(process.memoryUsage().rss - before < 80 * 2 ** 20);
    `);
    expect(result).toMatchObject({ ...clean, stdout: 'true\n' });
  });
});
