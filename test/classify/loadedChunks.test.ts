import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeModel } from '../../lib/model/files.js';
import { packageRoot } from '../../lib/package.js';
import { randomModel } from '../randomModel.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-chunks-'));
  writeFileSync(join(folder, 'own.safetensors'), encodeModel(randomModel()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const dist = (file: string): string => join(packageRoot, 'dist', file);

/** Runs Node and gives the files of dist/ that it loaded, as V8 wrote them down for coverage. */
function filesLoadedBy(...args: string[]): string[] {
  const coverage = mkdtempSync(join(folder, 'coverage-'));
  const env = { ...process.env, NODE_V8_COVERAGE: coverage };
  const { status, stderr } = spawnSync(process.execPath, args, { env, cwd: folder, encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const reports = readdirSync(coverage).map((file) => JSON.parse(readFileSync(join(coverage, file), 'utf8')));
  const urls: string[] = reports.flatMap(({ result }) => result.map(({ url }: { url: string }) => url));
  return urls
    .filter((url) => url.startsWith('file:'))
    .map((url) => fileURLToPath(url))
    .filter((file) => file.startsWith(dist('')));
}

const holdsZod = (file: string): boolean => readFileSync(file, 'utf8').includes('ZodError');

describe.skipIf(!existsSync(dist('index.cjs')))('a plain classify (skipped without dist/)', () => {
  const classify = (model: string): string[] => {
    const pixels = '{ data: new Uint8Array(48), width: 4, height: 4, channels: 3 }';
    const script = `const { Classifier } = require(${JSON.stringify(dist('index.cjs'))});
      Classifier.load(${model}).then(async (it) => (await it.classify(${pixels}), it.dispose()));`;
    return filesLoadedBy('--eval', script);
  };

  it.each([
    ['a model file', '"own.safetensors"'],
    ['the model chosen for this machine', ''],
  ])('of %s loads no schemas, no checkpoint reader and nothing that writes', (_, model) => {
    const loaded = classify(model);
    expect(loaded).toContain(dist('index.cjs'));
    expect(loaded.filter(holdsZod)).toEqual([]);
    expect(loaded.filter((file) => /readTorchModel|stateDict|measureVariants|writeFile|quantize/.test(file))).toEqual(
      [],
    );
    // The entry and what all entries share; a file more here costs every start.
    expect(loaded.length).toBeLessThanOrEqual(3);
  });

  it('from the command line loads no schemas either', () => {
    const loaded = filesLoadedBy(dist('cli/main.js'), 'inspect', 'own.safetensors');
    expect(loaded.filter(holdsZod)).toEqual([]);
  });

  it('is told from what does load them', () => {
    expect(
      filesLoadedBy('--eval', `require(${JSON.stringify(dist('entries/compress.cjs'))})`).filter(holdsZod),
    ).not.toEqual([]);
  });
});
