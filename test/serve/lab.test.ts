// Boards measure and send, the lab keeps and shows.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { slug } from '../../lib/bench/lab.js';
import type { Server } from '../../lib/serve/options.js';
import { createServer } from '../../lib/serve/server.js';
import { neonsense, projectRoot } from '../cli/run.js';

const model = join(projectRoot, 'models/household-int8-dynamic.safetensors');
let folder: string;
let server: Server;
let address: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-lab-'));
  server = await createServer({ models: [model], threads: 1, lab: folder });
  address = await server.listen({ port: 0 });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const row = (medianMs = 2, date = '2026-03-01T10:00:00.000Z') => ({
  ...{ engine: 'neonsense', model: 'a.safetensors', precision: 'fp32', threads: 1, batch: 1 },
  ...{
    medianMs,
    minMs: 1,
    imagesPerSecond: 500,
    samplesMs: [2, 2],
    environment: { date, cpu: 'Cortex-A76', platform: 'linux-arm64' },
  },
});
const post = (body: unknown): Promise<Response> =>
  fetch(`${address}/v1/lab`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });

describe('the device lab', () => {
  it('is sent what bench measured, by one command, and keeps all of it', async () => {
    const bench = ['bench', model, '--runs', '3', '--warmup', '0', '--trials', '1', '--format', 'jsonl'];
    const { code, stdout, stderr } = await neonsense([...bench, '--lab', address, '--board', 'My Board 5 (8 GB)']);
    expect(code, stderr).toBe(0);
    const kept = /keeps it as (my-board-5-8-gb\/\d{4}-\d\d-\d\d\.jsonl)/.exec(stderr)![1]!;
    expect(readFileSync(join(folder, kept), 'utf8')).toBe(stdout);
    const { boards } = (await (await fetch(`${address}/v1/lab`)).json()) as { boards: unknown[] };
    expect(boards).toMatchObject([{ board: 'my-board-5-8-gb', rows: [{ engine: 'neonsense', threads: 1 }] }]);
  });

  it('shows the latest run of each board', async () => {
    for (const medianMs of [3, 4, 5]) expect((await post({ board: 'pi-5', rows: [row(medianMs)] })).status).toBe(201);
    await post({ board: 'pi-5', rows: [row(9, '2026-02-01T10:00:00.000Z')] });
    expect(readdirSync(join(folder, 'pi-5')).sort()).toEqual([
      '2026-02-01.jsonl',
      '2026-03-01-2.jsonl',
      '2026-03-01-3.jsonl',
      '2026-03-01.jsonl',
    ]);
    // Files of other programs do not matter.
    writeFileSync(join(folder, 'pi-5', 'notes.txt'), 'x');
    mkdirSync(join(folder, 'Not A Board'));
    const { boards } = (await (await fetch(`${address}/v1/lab`)).json()) as { boards: { board: string }[] };
    expect(boards.find(({ board }) => board === 'pi-5')).toMatchObject({ cpu: 'Cortex-A76', rows: [{ medianMs: 5 }] });
  });

  it.each([
    ['a way out of the folder', { board: '../x', rows: [row()] }, 'board'],
    ['no rows', { board: 'a', rows: [] }, 'rows'],
    ['rows that are none', { board: 'a', rows: [{ engine: 1 }] }, 'rows.0'],
    ['a date that is a path', { board: 'a', rows: [row(1, '../../etc/a')] }, 'date'],
    ['no object', [], ''],
  ])('refuses %s', async (_, body, field) => {
    const answer = await post(body);
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { error: string }).error).toContain(field);
  });

  it('is not there unless it was asked for', async () => {
    await using plain = await createServer({ models: [model], threads: 1 });
    const at = await plain.listen({ port: 0 });
    expect(await (await fetch(`${at}/v1/lab`)).json()).toEqual({ boards: [] });
    expect((await fetch(`${at}/v1/lab`, { method: 'POST', body: '{}' })).status).toBe(404);
  });

  it('that is no address is refused before anything is measured', async () => {
    const { code, stderr } = await neonsense(['bench', '--lab', 'lab']);
    expect(code).toBe(2);
    expect(stderr).toContain('--lab');
  });

  it('calls boards by letters, digits and hyphens', () => {
    expect(slug('Raspberry Pi 5 Model B Rev 1.0')).toBe('raspberry-pi-5-model-b-rev-1-0');
    expect(slug('  (R) ')).toBe('r');
  });
});
