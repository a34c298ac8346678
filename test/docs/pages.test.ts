// Every command of the pages by task and of README's tour, run with the packed package in the order of the page in a
// folder that has what the page speaks of.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finish, projectRoot } from '../cli/run.js';
import { archive, pickle, stateDictFile, stateOf } from '../model/import/torch/checkpoint.js';
import { randomModel } from '../randomModel.js';
import { torchvisionArchitecture } from '../torchvisionArchitecture.js';
import { install } from './installed.js';
import { blocksOf, page } from './page.js';

const commandsOf = (text: string): string[] =>
  blocksOf(text, 'sh').flatMap((block) => block.split('\n').filter((line) => line.startsWith('npx neonsense ')));

/** Runs a line of a page in `folder`; a server is told to end once it says where it listens. */
async function run(line: string, folder: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const serves = line.startsWith('npx neonsense serve');
  const command =
    line.replace('npx neonsense', `exec '${process.execPath}' '${program}'`) + (serves ? ' --port 0' : '');
  const child = spawn('/bin/sh', ['-c', command], { cwd: folder });
  child.stderr.on('data', (text: Buffer) => {
    if (serves && text.includes('http://')) child.kill('SIGTERM');
  });
  return await finish(child);
}

/** Drawn pictures of classes that look nothing alike, in a folder a class. */
async function drawPhotos(folder: string, hues: Readonly<Record<string, number>>, count: number): Promise<void> {
  for (const [name, hue] of Object.entries(hues)) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let i = 0; i < count; i++) {
      const shape =
        hue % 2 === 0 ? `<circle cx="80" cy="${70 + i}" r="${30 + i}"` : `<rect width="${60 + 3 * i}" height="90"`;
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="160" height="160"><rect width="160" height="160" fill="#eee"/>${shape} fill="hsl(${hue + i}, 70%, 45%)"/></svg>`;
      await sharp(Buffer.from(svg))
        .jpeg()
        .toFile(join(folder, name, `${i}.jpg`));
    }
  }
}

const model = randomModel({ architecture: torchvisionArchitecture('mobilenet_v3_small', { width: 0.25, classes: 2 }) });

/** A checkpoint that keeps the network and its moving average. */
function severalNetworks(): Uint8Array {
  const { entries, storages } = stateOf(model);
  const again = stateOf(model, '', 'ema-');
  return archive({
    root: pickle.dict([
      ['model', pickle.dict(entries)],
      ['ema', pickle.dict(again.entries)],
    ]),
    storages: new Map([...storages, ...again.storages]),
  });
}

let folder: string;
let program: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-pages-'));
  program = await install(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the page "Use your own model"', () => {
  const text = page('docs/own-model.md');
  const place = (): string => join(folder, 'own');
  beforeAll(async () => {
    mkdirSync(place());
    await drawPhotos(join(place(), 'photos'), { cat: 10, dog: 201 }, 3);
    writeFileSync(join(place(), 'checkpoint.pth'), stateDictFile(model));
    writeFileSync(join(place(), 'several.pth'), severalNetworks());
    const [names, preprocessing] = blocksOf(text, 'json');
    writeFileSync(join(place(), 'names.json'), names!);
    writeFileSync(join(place(), 'preprocess.json'), preprocessing!);
  });

  it.each(commandsOf(text))('%s', async (line) => {
    const { code, stderr } = await run(line, place());
    if (line.includes('--preprocess')) expect(stderr).not.toMatch(/assumed/);
    expect({ code, stderr }).toMatchObject({ code: 0 });
  });

  it('lists both networks where no key says which', async () => {
    const { code, stderr } = await run('npx neonsense inspect several.pth', place());
    expect(code).toBe(1);
    expect(stderr).toMatch(/holds 2 networks: "model", "ema"/);
  });
});

describe('the page "Teach it your classes"', () => {
  const text = page('docs/learn.md');
  const place = (): string => join(folder, 'learn');
  beforeAll(async () => {
    mkdirSync(place());
    await drawPhotos(join(place(), 'photos'), { cat: 10, dog: 201, other: 120 }, 4);
    await drawPhotos(join(place(), 'more'), { bird: 301 }, 4);
    await drawPhotos(join(place(), 'unseen'), { cat: 14, dog: 205 }, 4);
    writeFileSync(join(place(), 'new.jpg'), readFileSync(join(place(), 'unseen/dog/3.jpg')));
  });

  it.each(commandsOf(text))('%s', async (line) => {
    const { code, stderr } = await run(line, place());
    expect({ code, stderr }).toMatchObject({ code: 0 });
  });
});

describe('the page "Similar pictures"', () => {
  const place = (): string => join(folder, 'similar');
  beforeAll(async () => {
    mkdirSync(place());
    await drawPhotos(join(place(), 'photos'), { cat: 10, dog: 201 }, 3);
  });

  it.each(commandsOf(page('docs/embeddings.md')))('%s', async (line) => {
    const { code, stderr } = await run(line, place());
    expect({ code, stderr }).toMatchObject({ code: 0 });
  });
});

describe('the page "Make a model smaller"', () => {
  const place = (): string => join(folder, 'compress');
  beforeAll(async () => {
    mkdirSync(place());
    await drawPhotos(join(place(), 'photos'), { cat: 10, dog: 201 }, 4);
    const learnt = await run('npx neonsense learn photos/ -o mine.safetensors', place());
    expect(learnt).toMatchObject({ code: 0 });
  });

  // Solving for the weights of a whole network takes a busy machine a minute.
  it.each(commandsOf(page('docs/compress.md')))('%s', { timeout: 300_000 }, async (line) => {
    const { code, stderr } = await run(line, place());
    expect({ code, stderr }).toMatchObject({ code: 0 });
  });
});

describe('the pages of boards, and "Troubleshooting"', () => {
  beforeAll(() => cpSync(join(projectRoot, 'examples/clock.png'), join(folder, 'photo.jpg')));

  const pages = ['raspberry-pi', 'jetson', 'troubleshooting'].map((name) => page(`docs/${name}.md`));
  it.each([...new Set(pages.flatMap(commandsOf))])('%s', async (line) => {
    const { code, stderr } = await run(line, folder);
    expect({ code, stderr }).toMatchObject({ code: 0 });
  });
});

describe('README', () => {
  const place = (): string => join(folder, 'readme');
  beforeAll(async () => {
    mkdirSync(place());
    await drawPhotos(join(place(), 'photos'), { cat: 10, dog: 201 }, 4);
    writeFileSync(join(place(), 'checkpoint.pth'), stateDictFile(model));
  });

  // A camera is test/watch/'s.
  it.each(commandsOf(page('README.md')).filter((line) => !line.includes(' camera ')))('%s', async (line) => {
    const { code, stderr } = await run(line, place());
    expect({ code, stderr }).toMatchObject({ code: 0 });
  });
});
