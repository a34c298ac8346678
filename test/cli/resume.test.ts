// Jobs that are shared out and go on where they were killed.
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isOfShard } from '../../lib/cli/shard.js';
import { neonsense, projectRoot } from './run.js';

const COUNT = 60;
const model = ['-m', join(projectRoot, 'models/household-fp16.safetensors'), '-t', '1'];
let folder: string;
let photos: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-resume-'));
  photos = join(folder, 'photos');
  mkdirSync(photos);
  for (let i = 0; i < COUNT; i++) {
    copyFileSync(join(projectRoot, 'examples', i % 2 === 0 ? 'clock.png' : 'lamp.png'), join(photos, `${i}.png`));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const filesIn = (output: string): string[] =>
  readFileSync(output, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { file: string }).file);

describe('a folder that is shared out', () => {
  it('has every picture in one part, and the same one when others come', () => {
    const names = Array.from({ length: 3000 }, (_, i) => `photos/${i}.jpg`);
    const parts = [1, 2, 3].map((index) => names.filter((name) => isOfShard(name, { index, count: 3 })));
    expect(parts.flat().sort()).toEqual(names.sort());
    for (const part of parts) expect(part.length).toBeGreaterThan(900);
    // By sha256sum: outputs of parts that were made elsewhere, or before, must fit.
    expect([1, 2, 3, 4].filter((index) => isOfShard('photos/a.jpg', { index, count: 4 }))).toEqual([3]);
  });

  it('is labelled whole by its parts', async () => {
    const outputs = await Promise.all(
      [1, 2].map((index) => neonsense(['classify', '--json', '--shard', `${index}/2`, photos, ...model])),
    );
    const files = outputs.flatMap(({ stdout }) =>
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { file: string }).file),
    );
    expect(new Set(files).size).toBe(COUNT);
    expect(files).toHaveLength(COUNT);
  });

  it.each([['0/2'], ['3/2'], ['1'], ['a/b']])('is refused as %s', async (shard) => {
    const { code, stderr } = await neonsense(['classify', '--shard', shard, photos]);
    expect(code).toBe(2);
    expect(stderr).toContain('K/N');
  });
});

describe('a job that goes on', () => {
  it('is refused as comma-separated values before it begins, since its file has JSON objects', async () => {
    const output = join(folder, 'none.csv');
    const { code, stderr } = await neonsense(['classify', '--csv', '--resume', output, photos, ...model]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/--resume goes on with a file of JSON objects: leave out --csv/);
    expect(existsSync(output)).toBe(false);
  });

  it('labels every picture once, also after it was killed in the middle', async () => {
    const output = join(folder, 'killed.jsonl');
    const args = ['classify', '--resume', output, photos, ...model];
    const child = spawn(process.execPath, [join(projectRoot, 'dist/cli/main.js'), ...args], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('close', resolve));
    const lines = (): number => {
      try {
        return readFileSync(output, 'utf8').split('\n').length - 1;
      } catch {
        return 0;
      }
    };
    await expect.poll(lines, { interval: 5, timeout: 30_000 }).toBeGreaterThan(3);
    child.kill('SIGKILL');
    await ended;
    expect(lines()).toBeLessThan(COUNT);
    // What a process leaves that was killed within a line.
    appendFileSync(output, '{"file":"/somewhere/a.png","model":"hous');
    const { code, stderr } = await neonsense(args);
    expect(code).toBe(0);
    expect(stderr).toMatch(/\d+ of 60 pictures are done already/);
    const files = filesIn(output);
    expect(files).toHaveLength(COUNT);
    expect(new Set(files).size).toBe(COUNT);
    const again = await neonsense(args);
    expect(again).toMatchObject({ code: 0, stdout: '' });
    expect(filesIn(output)).toEqual(files);
  });

  it.each([
    ['a text', 'my notes\n'],
    ['a text without lines', 'my notes'],
    ['other JSON', '{"name":"a"}\n'],
    ['answers of another model', '{"file":"a.png","model":"other","predictions":[]}\n'],
  ])('refuses %s and leaves it as it is', async (_, text) => {
    const output = join(folder, 'other.txt');
    writeFileSync(output, text);
    const { code, stderr } = await neonsense(['classify', '--resume', output, photos, ...model]);
    expect(code).toBe(1);
    expect(stderr).toContain('other.txt');
    expect(readFileSync(output, 'utf8')).toBe(text);
  });
});
