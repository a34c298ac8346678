import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DatasetOptions, type LabelledImage, openDataset } from '../../lib/evaluate/datasets.js';
import { readPictures } from '../../lib/evaluate/pictures.js';
import { randomModel } from '../randomModel.js';
import { describeShared } from '../shared.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'neonsense-dataset-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function all(path: string, options: DatasetOptions): Promise<LabelledImage[]> {
  const images: LabelledImage[] = [];
  for await (const image of (await openDataset(path, options)).images()) images.push(image);
  return images;
}

describe('raw data sets', () => {
  /** `count` pictures of `side` x `side`, whose every byte tells picture and position. */
  async function raw(count: number, side: number, labels: number[]): Promise<string> {
    const bytes = 3 * side * side;
    const value = (i: number): number => (Math.floor(i / bytes) * 31 + (i % bytes)) % 256;
    const pixels = Uint8Array.from({ length: count * bytes }, (_, i) => value(i));
    await writeFile(join(folder, 'some.bin'), pixels);
    await writeFile(join(folder, 'some_labels.bin'), Uint8Array.from(labels));
    return join(folder, 'some.bin');
  }

  it('finds the side and the labels beside the pixels', async () => {
    const images = await all(await raw(3, 5, [2, 0, 1]), { labels: ['a', 'b', 'c'] });
    expect(images.map(({ index, label }) => [index, label])).toEqual([
      [0, 2],
      [1, 0],
      [2, 1],
    ]);
    expect(images[1]!.pixels).toMatchObject({ width: 5, height: 5, channels: 3 });
    expect([...images[1]!.pixels.data]).toEqual(Array.from({ length: 75 }, (_, i) => 31 + i));
  });

  it('spreads a limit over a set that is sorted by class', async () => {
    const labels = Array.from({ length: 100 }, (_, i) => Math.floor(i / 10));
    const names = Array.from({ length: 10 }, (_, i) => `class${i}`);
    const images = await all(await raw(100, 2, labels), { labels: names, limit: 10 });
    expect(images.map(({ label }) => label)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('keeps each picture its own while the next are read', async () => {
    // More than the window that is in memory at a time, so that windows change in between.
    const images = await all(await raw(500, 32, new Array<number>(500).fill(0)), { labels: ['a'] });
    for (const { index, pixels } of images) expect(pixels.data[0]).toBe((index * 31) % 256);
  });

  it('yields the pictures anew each time', async () => {
    const dataset = await openDataset(await raw(2, 2, [0, 0]), { labels: ['a'] });
    for (let round = 0; round < 2; round++) {
      let count = 0;
      for await (const image of dataset.images()) count += image.label + 1;
      expect(count).toBe(2);
    }
  });

  it('names both label sets when a label is outside the classes', async () => {
    await expect(all(await raw(2, 2, [0, 7]), { labels: ['clock', 'lamp'] })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/Label 7 of image 1 .*0, 7.*0 clock, 1 lamp/),
    });
  });

  it('refuses pixels that make no square pictures', async () => {
    const path = await raw(2, 4, [0, 0]);
    await truncate(path, 95);
    await expect(openDataset(path, { labels: ['a'] })).rejects.toMatchObject({ code: 'ERR_DATASET' });
  });

  it('takes another labels file, and says when there is none', async () => {
    const path = await raw(2, 4, [0, 0]);
    await writeFile(join(folder, 'other'), Uint8Array.of(1, 1));
    const images = await all(path, { labels: ['a', 'b'], labelsFile: join(folder, 'other') });
    expect(images.map(({ label }) => label)).toEqual([1, 1]);
    await expect(openDataset(path, { labels: ['a'], labelsFile: join(folder, 'gone') })).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    });
    await rm(join(folder, 'some_labels.bin'));
    await expect(openDataset(path, { labels: ['a'] })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringContaining('some_labels.bin'),
    });
  });

  it('reports a file that shrinks while it is read', async () => {
    const path = await raw(500, 32, new Array<number>(500).fill(0));
    const dataset = await openDataset(path, { labels: ['a'] });
    await truncate(path, 3072 * 400);
    await expect(
      (async () => {
        for await (const image of dataset.images()) expect(image.index).toBeLessThan(400);
      })(),
    ).rejects.toMatchObject({ code: 'ERR_DATASET' });
  });

  it.each([
    ['one picture of a million pixels a side', 1, 3 * 2 ** 40],
    ['pictures just too large', 3, 3 * 3 * 4097 ** 2],
  ])('refuses a file that would be %s, without reading it', async (_, count, bytes) => {
    const path = await raw(1, 2, new Array<number>(count).fill(0));
    // Sparse: it takes no room on the disk.
    await truncate(path, bytes);
    await expect(openDataset(path, { labels: ['a'] })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/at most 100000000 of 4096 x 4096/),
    });
  });

  it.each([3_000_000_000, 2 ** 40])('refuses a labels file of %i bytes without reading it', async (bytes) => {
    const path = await raw(2, 4, [0, 0]);
    await truncate(join(folder, 'some_labels.bin'), bytes);
    await expect(openDataset(path, { labels: ['a'] })).rejects.toMatchObject({ code: 'ERR_DATASET' });
    // As many pixels as would fit, too.
    await truncate(path, 3 * bytes);
    await expect(openDataset(path, { labels: ['a'] })).rejects.toMatchObject({ code: 'ERR_DATASET' });
  });

  it('refuses a labels file that is a folder', async () => {
    const path = await raw(2, 4, [0, 0]);
    await expect(openDataset(path, { labels: ['a'], labelsFile: folder })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/not a regular file/),
    });
  });

  it('reports a missing path and a bad limit', async () => {
    await expect(openDataset(join(folder, 'none'), { labels: ['a'] })).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    const none = openDataset(folder, { labels: ['a'], limit: 0 });
    await expect(none).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });
});

describe("CIFAR-100's own files", () => {
  /** Records with the fine labels given; red is the record's number, green 100, blue 200. */
  async function cifar(fine: number[], name = 'test.bin'): Promise<string> {
    const records = fine.map((label, index) => {
      const record = new Uint8Array(3074);
      record[1] = label;
      record.fill(index, 2, 1026).fill(100, 1026, 2050).fill(200, 2050);
      return record;
    });
    await writeFile(join(folder, name), Buffer.concat(records));
    return join(folder, name);
  }

  it('maps fine labels by name, leaves other classes out and counts them', async () => {
    // In the published list 22 is clock, 40 lamp, 0 apple.
    const path = await cifar([40, 0, 22]);
    const dataset = await openDataset(path, { labels: ['clock', 'lamp'] });
    expect(dataset).toMatchObject({ format: 'cifar-100', size: 2, leftOut: 1 });
    const images = await all(path, { labels: ['clock', 'lamp'] });
    expect(images.map(({ index, label }) => [index, label])).toEqual([
      [0, 1],
      [2, 0],
    ]);
    expect([...images[1]!.pixels.data.subarray(0, 6)]).toEqual([2, 100, 200, 2, 100, 200]);
  });

  it('of more records than there can be is refused without reading it', async () => {
    const path = await cifar([22]);
    await truncate(path, 3074 * 2 ** 30);
    await expect(openDataset(path, { labels: ['clock'] })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/1073741824 CIFAR-100 records/),
    });
  });

  it('is found in its folder', async () => {
    await cifar([22]);
    expect((await openDataset(folder, { labels: ['clock'] })).format).toBe('cifar-100');
  });

  it('need not know the class that stands for none of the others', async () => {
    const dataset = await openDataset(await cifar([22]), { labels: ['clock', 'other'], rejectClass: 'other' });
    expect(dataset.size).toBe(1);
  });

  it('lists both sets when the model knows classes CIFAR-100 does not', async () => {
    await expect(openDataset(await cifar([22]), { labels: ['clock', 'spoon'] })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/spoon.*clock, spoon.*apple, aquarium_fish/),
    });
  });

  it('refuses a label byte of 100 or more, and a set without any of the classes', async () => {
    for (const fine of [
      [22, 100],
      [0, 1],
    ]) {
      const path = await cifar(fine);
      await expect(openDataset(path, { labels: ['clock'] })).rejects.toMatchObject({ code: 'ERR_DATASET' });
    }
  });
});

describe('folders of class folders', () => {
  async function picture(className: string, name: string, red: number): Promise<void> {
    await mkdir(join(folder, className), { recursive: true });
    const color = { r: red, g: 0, b: 0 };
    const picture = sharp({ create: { width: 4, height: 3, channels: 3, background: color } });
    await picture.png().toFile(join(folder, className, name));
  }

  it('decodes every picture with its class', async () => {
    for (const [index, name] of ['a.png', 'b.png', 'c.png', 'd.png', 'e.png', 'f.png'].entries()) {
      await picture('lamp', name, 10 * index);
    }
    await picture('clock', 'z.png', 200);
    await writeFile(join(folder, 'lamp', 'notes.txt'), 'not a picture');
    const images = await all(folder, { labels: ['lamp', 'clock'] });
    expect(images.map(({ label, pixels }) => [label, pixels.data[0]])).toEqual([
      [1, 200],
      [0, 0],
      [0, 10],
      [0, 20],
      [0, 30],
      [0, 40],
      [0, 50],
    ]);
    expect(images[0]!.pixels).toMatchObject({ width: 4, height: 3, channels: 3 });
    expect(images[0]!.file).toBe(join('clock', 'z.png'));
  });

  it('are read for calibration, and how far that is', async () => {
    for (const name of ['a.png', 'b.png']) await picture('lamp', name, 100);
    const told: unknown[] = [];
    const model = { ...randomModel({ classes: 2 }), labels: ['lamp', 'clock'] };
    const pictures = await readPictures(model, folder, { onProgress: (progress) => void told.push(progress) });
    expect(pictures).toHaveLength(2);
    expect(told).toEqual([
      { done: 1, total: 2 },
      { done: 2, total: 2 },
    ]);
  });

  it('are read from a folder without classes too, where each counts once it is read', async () => {
    for (const name of ['a.png', 'b.png']) await picture('anything', name, 100);
    const told: unknown[] = [];
    const model = randomModel({ classes: 0 });
    await readPictures(model, folder, { onProgress: (progress) => void told.push(progress) });
    expect(told).toEqual([
      { done: 1, total: 2 },
      { done: 2, total: 2 },
    ]);
  });

  it('lists both sets when a folder is none of the labels', async () => {
    await picture('lamp', 'a.png', 1);
    await picture('sofa', 'a.png', 1);
    await expect(openDataset(folder, { labels: ['lamp', 'couch'] })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/no class named sofa.*lamp, sofa.*lamp, couch/),
    });
  });

  it('skips what cannot be decoded and names it', async () => {
    await picture('lamp', 'a.png', 1);
    await writeFile(join(folder, 'lamp', 'broken.png'), 'no png at all');
    const dataset = await openDataset(folder, { labels: ['lamp'] });
    let images = 0;
    for await (const image of dataset.images()) images += image.pixels.channels === 3 ? 1 : 0;
    expect(images).toBe(1);
    expect(dataset.unreadable).toHaveLength(1);
    expect(dataset.unreadable[0]!.file).toContain('broken.png');
  });

  it('refuses folders without pictures, and a folder without folders', async () => {
    await expect(openDataset(folder, { labels: ['lamp'] })).rejects.toMatchObject({ code: 'ERR_DATASET' });
    await mkdir(join(folder, 'lamp'));
    await expect(openDataset(folder, { labels: ['lamp'] })).rejects.toMatchObject({ code: 'ERR_DATASET' });
  });
});

describeShared('the household test set', (shared) => {
  it('has 100 pictures of each of ten classes', async () => {
    const labels = [
      'clock',
      'keyboard',
      'lamp',
      'telephone',
      'television',
      'bed',
      'chair',
      'couch',
      'table',
      'wardrobe',
    ];
    const dataset = await openDataset(join(shared, 'data', 'household_test.bin'), { labels });
    expect(dataset).toMatchObject({ format: 'raw', size: 1000 });
    const perClass = new Array<number>(10).fill(0);
    for await (const { label, pixels } of dataset.images()) {
      perClass[label]!++;
      expect(pixels.data).toHaveLength(3072);
    }
    expect(perClass).toEqual(new Array<number>(10).fill(100));
  });
});
