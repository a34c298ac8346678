import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readOnnx } from '../reference/onnx.js';
import { describeShared } from '../shared.js';
import { finish, projectRoot, neonsense as run, start } from './run.js';

const neonsense = (...args: string[]) => run(args);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'neonsense-measure-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describeShared('the commands that measure and export', (shared) => {
  const model = join(shared, 'checkpoints', 'udacisense-fp32.pth');
  const data = join(shared, 'data', 'household_test.bin');

  it('evaluates: one JSON object a model, a report, progress only on a terminal', async () => {
    const other = join(shared, 'checkpoints', 'household-first.pth');
    const report = join(folder, 'report.html');
    const { code, stdout, stderr } = await neonsense(
      'evaluate',
      model,
      other,
      '--data',
      data,
      '--limit',
      '50',
      '--threads',
      '1',
      '--json',
      '--report',
      report,
    );
    expect(code).toBe(0);
    // What bare checkpoints are taken to want is said; a bar of progress would have a carriage return.
    expect(
      stderr
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/ does not say.*| \S+\.html, .* KiB$/, '')),
    ).toEqual([...[model, other].map((file) => `neonsense: ${file}`), 'neonsense: wrote']);
    expect(stderr).not.toContain('\r');
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows.map(({ model: name, images }) => [name, images])).toEqual([
      [model, 50],
      [other, 50],
    ]);
    for (const { top1, imagesPerSecond } of rows) {
      // PyTorch gets 86.0 % and 90.4 % of all 1,000 right.
      expect(top1).toBeGreaterThan(0.7);
      expect(imagesPerSecond).toBeGreaterThan(0);
    }
    expect(await readFile(report, 'utf8')).toContain('</html>');
  });

  it("refuses data whose labels are not the model's, and missing files, with exit code 1", async () => {
    const labels = join(folder, 'labels.bin');
    await writeFile(labels, new Uint8Array(1000).fill(10));
    const wrong = await neonsense('evaluate', model, '--data', data, '--labels', labels);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/Label 10 of image 0/);
    const missing = await neonsense('evaluate', model, '--data', join(folder, 'nothing'));
    expect(missing).toMatchObject({ code: 1, stdout: '' });
  });

  it('benches each combination and prints rows with every sample', async () => {
    const { code, stdout } = await neonsense(
      'bench',
      model,
      '--precision',
      'fp32,int8-dynamic',
      '--runs',
      '4',
      '--trials',
      '2',
      '--warmup',
      '0',
      '--format',
      'json',
    );
    expect(code).toBe(0);
    const rows = JSON.parse(stdout) as Record<string, unknown>[];
    expect(rows.map(({ engine, precision }) => [engine, precision])).toEqual([
      ['neonsense', 'fp32'],
      ['neonsense', 'int8-dynamic'],
    ]);
    for (const { samplesMs, medianMs, initMs } of rows) {
      expect(samplesMs).toHaveLength(4);
      expect(medianMs).toBeGreaterThan(0);
      expect(initMs).toBeGreaterThan(0);
    }
    expect(rows[1]!['fileBytes']).toBeLessThan((rows[0]!['fileBytes'] as number) / 3);
  });

  it('profiles by layer and operator', async () => {
    const { stdout } = await neonsense('bench', model, '--runs', '2', '--trials', '1', '--profile');
    expect(stdout).toMatch(/\| features\.0\.0 +\| (Convolution|neonsense stem)/);
    expect(stdout).toMatch(/GMAC\/s/);
  });

  it('prints what it has on Ctrl-C', async () => {
    let stdout = '';
    // 40 trials of two processes each take many seconds. On a busy machine the first may not be done yet.
    for (let wait = 4000; stdout === ''; wait *= 2) {
      const child = start(['bench', model, '--runs', '40', '--trials', '40', '--warmup', '0', '--format', 'jsonl']);
      const timer = setTimeout(() => child.kill('SIGINT'), wait);
      const finished = await finish(child);
      clearTimeout(timer);
      expect(finished.code).toBe(130);
      expect(finished.stderr).toContain('neonsense: interrupted');
      stdout = finished.stdout;
    }
    const row = JSON.parse(stdout.trim()) as { samplesMs: number[] };
    expect(row.samplesMs.length).toBeGreaterThan(0);
    expect(row.samplesMs.length).toBeLessThan(40);
  });

  it('says how to get a peer that is not installed, and goes on', async () => {
    // From a folder of its own, as the project's might have the peer.
    const main = join(projectRoot, 'dist', 'cli', 'main.js');
    const args = [main, 'bench', model, '--compare', 'onnxruntime', '--runs', '1', '--warmup', '0', '--format', 'csv'];
    const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, NODE_PATH: '' } });
    const { stderr, stdout } = await finish(child);
    expect(stderr).toContain('npm install onnxruntime-node');
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
  });

  it('exports ONNX, whole or not at all', async () => {
    const target = join(folder, 'model.onnx');
    expect((await neonsense('export', model, target)).code).toBe(0);
    expect(readOnnx(await readFile(target)).opset).toBe(13);
    const before = await readdir(folder);
    expect((await neonsense('export', data, join(folder, 'other.onnx'))).code).toBe(1);
    expect((await neonsense('export', model, join(folder, 'model.tflite'))).code).toBe(2);
    expect(await readdir(folder)).toEqual(before);
  });

  it('calls a wrong command line exit code 2', async () => {
    for (const args of [
      ['bench', '--threads', '0'],
      ['bench', '--precision', 'int7'],
      ['bench', '--format', 'xml'],
      ['bench', '--cooldown', '-1'],
      ['bench', '--compare', 'tensorflow'],
      ['evaluate', model],
      ['evaluate', model, '--data', data, '--limit', 'many'],
      ['export', model],
    ]) {
      expect((await neonsense(...args)).code, args.join(' ')).toBe(2);
    }
  });
});
