// examples/queue as it is, with a real Redis: four workers, one of them killed midway.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readModel, writeModel } from '../../lib/model/files.js';
import { projectRoot } from '../cli/run.js';

const PICTURES = 10_000;
const WORKERS = 4;
const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

describe.skipIf(!hasRedis)('the queue of examples/queue (skipped without redis-server)', () => {
  let folder: string;
  let environment: NodeJS.ProcessEnv;
  const children: ChildProcess[] = [];

  const started = (command: string, args: readonly string[], cwd = folder): ChildProcess => {
    const child = spawn(command, args, { cwd, env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
    children.push(child);
    return child;
  };
  const ended = (child: ChildProcess): Promise<number | null> =>
    new Promise((resolve) => {
      if (child.exitCode === null && child.signalCode === null) child.once('exit', resolve);
      else resolve(child.exitCode);
    });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'neonsense-queue-'));
    cpSync(join(projectRoot, 'examples/queue'), join(folder, 'example'), { recursive: true });
    const modules = join(folder, 'example/node_modules');
    mkdirSync(modules);
    symlinkSync(projectRoot, join(modules, 'neonsense'));
    symlinkSync(join(projectRoot, 'node_modules/bullmq'), join(modules, 'bullmq'));
    // Small pictures and a small input: what is proven is that none is lost.
    const model = await readModel(join(projectRoot, 'models/household-fp16.safetensors'));
    const { reduce: _, ...preprocessing } = model.preprocessing;
    const small = { ...preprocessing, size: [32, 32] as [number, number] };
    await writeModel({ ...model, preprocessing: small }, join(folder, 'model.safetensors'));
    mkdirSync(join(folder, 'pictures'));
    const picture = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#888' } })
      .png()
      .toBuffer();
    const first = join(folder, 'pictures', '00000.png');
    writeFileSync(first, picture);
    for (let i = 1; i < PICTURES; i++) linkSync(first, join(folder, 'pictures', `${String(i).padStart(5, '0')}.png`));
    const port = await freePort();
    environment = { ...process.env, REDIS_URL: `redis://127.0.0.1:${port}` };
    started('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder]);
  }, 120_000);

  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(children.map(ended));
    rmSync(folder, { recursive: true, force: true });
  });

  it('labels every picture exactly once, though a worker is killed midway', async () => {
    const example = join(folder, 'example');
    const work = (): ChildProcess =>
      started(process.execPath, ['work.mjs', join(folder, 'model.safetensors')], example);
    const workers = Array.from({ length: WORKERS }, work);
    const output = join(folder, 'labels.jsonl');
    const producer = started(process.execPath, ['produce.mjs', join(folder, 'pictures'), output], example);
    let said = '';
    const killed = new Promise<void>((resolve) => {
      producer.stderr!.on('data', (text: Buffer) => {
        said += text.toString();
        const done = Number(/(\d+) of \d+ jobs\n$/.exec(said)?.[1] ?? 0);
        if (done >= 40 && workers[0]!.kill('SIGKILL')) resolve();
      });
    });
    expect(await ended(producer), said).toBe(0);
    await killed;
    const files = readFileSync(output, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { file: string; predictions: unknown[] });
    expect(files).toHaveLength(PICTURES);
    expect(new Set(files.map(({ file }) => file)).size).toBe(PICTURES);
    expect(files.every(({ predictions }) => predictions.length === 1)).toBe(true);
    for (const worker of workers.slice(1)) worker.kill('SIGTERM');
    expect(await Promise.all(workers.slice(1).map(ended))).toEqual([0, 0, 0]);
  }, 300_000);
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address() as { port: number };
      server.close(() => resolve(address.port));
    });
  });
}
