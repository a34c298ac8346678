import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../../lib/classify/classifier.js';
import { type LearnResult, learn } from '../../lib/learn/learn.js';
import { readRemembered, rememberedFile, writeRemembered } from '../../lib/learn/rememberedFile.js';
import { readModel, writeModel } from '../../lib/model/files.js';
import { neonsense, projectRoot } from '../cli/run.js';

const base = join(projectRoot, 'models/household-fp16.safetensors');
const shapes: Readonly<Record<string, (i: number) => string>> = {
  circles: (i) => `<circle cx="${60 + 5 * i}" cy="${90 - 3 * i}" r="${30 + i}" fill="hsl(${20 * i}, 70%, 45%)"/>`,
  stripes: (i) =>
    [0, 1, 2, 3, 4].map((k) => `<rect x="${10 + 30 * k + i}" width="${8 + i}" height="160" fill="#333"/>`).join(''),
  triangles: (i) =>
    `<path d="M ${20 + i} 140 L ${80 - i} ${20 + 2 * i} L 140 140 Z" fill="hsl(${200 + 9 * i}, 60%, 40%)"/>`,
};

/** A drawn picture of a class. */
async function draw(name: string, index: number): Promise<Buffer> {
  const body = shapes[name]!(index);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="160" height="160"><rect width="160" height="160" fill="#eee"/>${body}</svg>`;
  return await sharp(Buffer.from(svg)).png().toBuffer();
}

async function folderOf(names: Readonly<Record<string, string>>, count: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'neonsense-learn-'));
  for (const [name, shape] of Object.entries(names)) {
    mkdirSync(join(folder, name));
    for (let i = 0; i < count; i++) writeFileSync(join(folder, name, `${i}.png`), await draw(shape, i));
  }
  return folder;
}

const folders: string[] = [];
let two: LearnResult;
let twoFolder: string;

beforeAll(async () => {
  twoFolder = await folderOf({ round: 'circles', striped: 'stripes' }, 6);
  folders.push(twoFolder);
  two = await learn(twoFolder, { base, threads: 1 });
});
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** Label of a picture that was not among those learnt from. */
async function labelOf(model: LearnResult['model'], shape: string): Promise<string> {
  await using classifier = await Classifier.load(model, { threads: 1 });
  const { predictions } = await classifier.classify(await draw(shape, 7));
  return predictions[0]!.label;
}

describe('learning classes from folders', () => {
  it('names new pictures of the classes', async () => {
    expect(two.model.labels).toEqual(['round', 'striped']);
    expect(await labelOf(two.model, 'circles')).toBe('round');
    expect(await labelOf(two.model, 'stripes')).toBe('striped');
  });

  it('reports what pictures left out were taken for', () => {
    const { photos, confusion, accuracy, interval, wrong, method, unreadable } = two.report;
    expect(photos).toEqual([6, 6]);
    expect(confusion.map((row) => row.reduce((a, b) => a + b, 0))).toEqual([6, 6]);
    expect(accuracy).toBe((confusion[0]![0]! + confusion[1]![1]!) / 12);
    expect(interval![0]).toBeLessThan(accuracy!);
    expect(wrong).toHaveLength(12 - confusion[0]![0]! - confusion[1]![1]!);
    expect(['nearest-mean', 'logistic-regression']).toContain(method.name);
    expect(unreadable).toEqual([]);
  });

  it('gives the same model for the same photos', async () => {
    const again = await learn(twoFolder, { base, threads: 1 });
    expect(again.model.layers.get('classifier.3')).toEqual(two.model.layers.get('classifier.3'));
    expect(again.report).toEqual(two.report);
  });

  it('makes a file that is read back as it was', async () => {
    const file = join(twoFolder, 'mine.safetensors');
    await writeModel(two.model, file);
    const read = await readModel(file);
    expect(read).toMatchObject({ labels: ['round', 'striped'], precision: 'fp16', confidence: two.model.confidence });
    expect(await labelOf(read, 'stripes')).toBe('striped');
  });

  it('learns what is none of the classes from a folder named other', async () => {
    const folder = await folderOf({ round: 'circles', striped: 'stripes', other: 'triangles' }, 6);
    folders.push(folder);
    const { model, report } = await learn(folder, { base, threads: 1 });
    expect(report.labels).toEqual(['round', 'striped', 'other']);
    expect(model.confidence).toMatchObject({ rejectClass: 'other' });
    expect(report.rejection!.rejected).toBeGreaterThan(0.5);
    await using classifier = await Classifier.load(model, { threads: 1 });
    expect(await classifier.classify(await draw('triangles', 7))).toMatchObject({ rejected: true });
    expect(await classifier.classify(await draw('circles', 7))).toMatchObject({ rejected: false });
  });

  it('adds a class to a learnt model without the old photos', async () => {
    const folder = await folderOf({ pointed: 'triangles' }, 6);
    folders.push(folder);
    const file = rememberedFile(join(twoFolder, 'two.safetensors'));
    await writeRemembered(file, two.remembered);
    const three = await learn(folder, { base, add: await readRemembered(file), threads: 1 });
    expect(three.model.labels).toEqual(['round', 'striped', 'pointed']);
    expect(three.report.photos).toEqual([6, 6, 6]);
    expect(await labelOf(three.model, 'circles')).toBe('round');
    expect(await labelOf(three.model, 'triangles')).toBe('pointed');
  });

  it('computes in int8 what it has learnt on features in int8', async () => {
    const { model } = await learn(twoFolder, { base: 'features-imagenet-int8-dynamic', threads: 1 });
    expect(model).toMatchObject({ precision: 'int8-dynamic', quantization: { mode: 'dynamic', scope: 'all' } });
    expect(model.layers.get('features.12.0')!.weights.type).toBe('i8');
    expect(model.layers.get('classifier')!.weights.type).toBe('f32');
    const file = join(twoFolder, 'int8.safetensors');
    await writeModel(model, file);
    expect(await labelOf(await readModel(file), 'circles')).toBe('round');
  });

  it('takes the nearest class mean where there are few photos', () => {
    expect(two.report.method).toEqual({ name: 'nearest-mean' });
  });

  it('leaves out what is no picture and says so', async () => {
    const folder = await folderOf({ round: 'circles', striped: 'stripes' }, 3);
    folders.push(folder);
    writeFileSync(join(folder, 'round', 'broken.png'), 'no picture');
    const { report } = await learn(folder, { base, threads: 1 });
    expect(report.photos).toEqual([3, 3]);
    expect(report.unreadable).toMatchObject([{ file: join(folder, 'round', 'broken.png') }]);
  });

  it.each([
    ['a folder that is not there', '/nowhere/photos', 'ERR_NOT_FOUND'],
    ['a folder without folders', join(projectRoot, 'docs', 'pictures'), 'ERR_DATASET'],
  ])('refuses %s', async (_, folder, code) => {
    await expect(learn(folder, { base })).rejects.toMatchObject({ code });
  });

  it('refuses a single class, which nothing tells from anything', async () => {
    const folder = await folderOf({ round: 'circles' }, 2);
    folders.push(folder);
    await expect(learn(folder, { base, threads: 1 })).rejects.toMatchObject({ code: 'ERR_DATASET' });
  });

  it('refuses to add to features of another network', async () => {
    const other = { ...two.remembered, base: 'another' };
    await expect(learn(twoFolder, { base, add: other, threads: 1 })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
  });

  it('can be stopped', async () => {
    await expect(learn(twoFolder, { base, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
  });
});

describe('neonsense learn', () => {
  it('writes a model that classifies, and prints what photos left out were taken for', async () => {
    const file = join(twoFolder, 'cli.safetensors');
    const { stdout, stderr, code } = await neonsense(['learn', twoFolder, '--base', base, '-o', file]);
    expect(stderr).toMatch(/wrote .*cli\.safetensors, .*: learnt on /);
    expect(code).toBe(0);
    expect(stdout).toMatch(/round +6 +\d+\.\d %/);
    expect(stdout).toContain('by cross-validation');
    const picture = join(twoFolder, 'new.png');
    writeFileSync(picture, await draw('stripes', 7));
    const answer = await neonsense(['classify', '--json', '--model', file, picture]);
    expect(JSON.parse(answer.stdout)).toMatchObject({ predictions: [{ label: 'striped' }, {}] });
  });

  it('wants a name that a model file can have', async () => {
    const { code, stderr } = await neonsense(['learn', twoFolder, '-o', 'model.pth']);
    expect(code).toBe(2);
    expect(stderr).toContain('--output');
  });
});
