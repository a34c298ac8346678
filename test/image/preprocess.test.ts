import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Pixels } from '../../lib/image/pixels.js';
import type { Preprocessing } from '../../lib/model/model.js';
import { preprocess } from '../../lib/runtime/preprocess.js';
import fc from '../fastCheck.js';
import { picture } from './pictures.js';

interface GoldenCase {
  name: string;
  seed: number;
  height: number;
  width: number;
  preprocessing: Preprocessing;
  indices: number[];
  values: number[];
  sum: number;
}

const golden = JSON.parse(readFileSync(new URL('../golden/preprocess.json', import.meta.url), 'utf8')) as {
  cases: GoldenCase[];
};

/** Raw values: nothing is averaged, shifted or scaled but by 255. */
function plain(size: [number, number], reduce: [number, number]): Preprocessing {
  return { reduce, size, mean: [0, 0, 0], std: [1, 1, 1] };
}

const household: Preprocessing = {
  reduce: [32, 32],
  size: [224, 224],
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

describe('agreement with PyTorch', () => {
  it.each(golden.cases)('$name', ({ seed, height, width, preprocessing, indices, values, sum }) => {
    const output = preprocess(picture(seed, height, width), preprocessing);
    let worst = 0;
    indices.forEach((index, i) => (worst = Math.max(worst, Math.abs(output[index]! - values[i]!))));
    // Values are within about +-2.7: a few units in the last place of float32.
    expect(worst).toBeLessThan(1e-6);
    const total = output.reduce((a, b) => a + b, 0);
    expect(Math.abs(total - sum) / output.length).toBeLessThan(2e-7);
  });
});

describe('area average', () => {
  it('keeps the mean of any picture, so that every pixel counts by its exact share', () => {
    const size = fc.integer({ min: 1, max: 90 });
    const grid = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(size, size, grid, grid, fc.integer(), (height, width, rows, columns, seed) => {
        const pixels = picture(seed, height, width);
        const cells: [number, number] = [Math.min(rows, height), Math.min(columns, width)];
        const output = preprocess(pixels, plain(cells, [rows, columns]));
        for (let c = 0; c < 3; c++) {
          const mean = (values: ArrayLike<number>): number =>
            Array.from(values).reduce((a, v, i) => (i % 3 === c ? a + v : a), 0) / (values.length / 3);
          expect(mean(output)).toBeCloseTo(mean(pixels.data) / 255, 6);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('gives a picture of one colour that colour in every cell', () => {
    const data = new Uint8Array(211 * 97 * 3).map((_, i) => [200, 100, 7][i % 3]!);
    const output = preprocess({ data, width: 211, height: 97, channels: 3 }, plain([32, 32], [32, 32]));
    output.forEach((value, i) => expect(value).toBeCloseTo([200, 100, 7][i % 3]! / 255, 6));
  });

  it("leaves a picture of the grid's own size byte for byte", () => {
    const pixels = picture(5, 32, 32);
    const output = preprocess(pixels, plain([32, 32], [32, 32]));
    expect(Array.from(output, (value) => Math.round(value * 255))).toEqual(Array.from(pixels.data));
  });

  it('is mirrored when the picture is', () => {
    const pixels = picture(9, 45, 71);
    const mirrored = pixels.data.slice();
    for (let y = 0; y < 45; y++) {
      for (let x = 0; x < 71; x++) {
        for (let c = 0; c < 3; c++) mirrored[(y * 71 + x) * 3 + c] = pixels.data[(y * 71 + 70 - x) * 3 + c]!;
      }
    }
    const a = preprocess(pixels, plain([32, 32], [32, 32]));
    const b = preprocess({ ...pixels, data: mirrored }, plain([32, 32], [32, 32]));
    for (let y = 0; y < 32; y++) {
      for (let x = 0; x < 32; x++) expect(b[(y * 32 + x) * 3]!).toBeCloseTo(a[(y * 32 + 31 - x) * 3]!, 6);
    }
  });
});

describe('channels', () => {
  const identity = plain([2, 2], [2, 2]);
  const rgb = [255, 0, 51, 10, 20, 30, 1, 2, 3, 250, 251, 252];
  const asBytes = (pixels: Pixels): number[] =>
    Array.from(preprocess(pixels, identity), (value) => Math.round(value * 255));

  it('swaps red and blue of bgr pixels', () => {
    const bgr = Uint8Array.of(51, 0, 255, 30, 20, 10, 3, 2, 1, 252, 251, 250);
    expect(asBytes({ data: bgr, width: 2, height: 2, channels: 3, order: 'bgr' })).toEqual(rgb);
  });

  it('repeats grey in all three channels', () => {
    const grey = Uint8Array.of(0, 100, 200, 255);
    const expected = [0, 0, 0, 100, 100, 100, 200, 200, 200, 255, 255, 255];
    expect(asBytes({ data: grey, width: 2, height: 2, channels: 1 })).toEqual(expected);
  });

  it('lays alpha over white, in both orders', () => {
    const rgba = Uint8ClampedArray.of(255, 0, 51, 255, 10, 20, 30, 0, 0, 0, 0, 128, 100, 200, 50, 51);
    const expected = [255, 0, 51, 255, 255, 255, 127, 127, 127, 224, 244, 214];
    expect(asBytes({ data: rgba, width: 2, height: 2, channels: 4 })).toEqual(expected);
    const bgra = rgba.slice();
    for (let i = 0; i < 16; i += 4) [bgra[i], bgra[i + 2]] = [bgra[i + 2]!, bgra[i]!];
    expect(asBytes({ data: bgra, width: 2, height: 2, channels: 4, order: 'bgr' })).toEqual(expected);
  });

  it('converts while averaging exactly as before it', () => {
    const pixels = picture(3, 50, 70);
    const rgba = new Uint8Array(50 * 70 * 4).map((_, i) => (i % 4 === 3 ? 255 : pixels.data[(i >> 2) * 3 + (i % 4)]!));
    const expected = preprocess(pixels, household);
    expect(preprocess({ data: rgba, width: 70, height: 50, channels: 4 }, household)).toEqual(expected);
  });

  it('reads a view at an odd offset of a larger buffer', () => {
    const pixels = picture(4, 40, 40);
    const larger = new Uint8Array(pixels.data.length + 7);
    larger.set(pixels.data, 5);
    const view = larger.subarray(5, 5 + pixels.data.length);
    expect(preprocess({ ...pixels, data: view }, household)).toEqual(preprocess(pixels, household));
  });
});

describe('arguments', () => {
  const good = { data: new Uint8Array(12), width: 2, height: 2, channels: 3 };
  it.each([
    ['null', null, /raw pixels/],
    ['data of another type', { ...good, data: new Float32Array(12) }, /pixels\.data.*Float32Array of length 12/],
    ['data too short', { ...good, data: new Uint8Array(11) }, /2 x 2 x 3 = 12 bytes.*length 11/],
    ['data too long', { ...good, data: new Uint8Array(13) }, /12 bytes.*length 13/],
    ['width 0', { ...good, width: 0 }, /at least 1.*pixels\.width.*received 0/],
    ['width 1.5', { ...good, width: 1.5 }, /pixels\.width.*1\.5/],
    ['height "2"', { ...good, height: '2' }, /pixels\.height.*"2" of type string/],
    ['2 channels', { ...good, channels: 2 }, /pixels\.channels.*received 2/],
    ['an unknown order', { ...good, order: 'grb' }, /pixels\.order.*"grb"/],
    ['a misspelt key', { ...good, chanels: 3 }, /not "chanels"/],
  ])('%s is refused by name', (_, pixels, message) => {
    const attempt = (): unknown => preprocess(pixels as Pixels, household);
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
    expect(attempt).toThrow(message);
  });

  it('refuses pixels whose buffer was transferred away', () => {
    const data = new Uint8Array(12);
    structuredClone(data, { transfer: [data.buffer] });
    expect(() => preprocess({ data, width: 2, height: 2, channels: 3 }, household)).toThrow(/length 0/);
  });

  it('refuses an output of another length', () => {
    const attempt = (): unknown => preprocess(picture(1, 4, 4), household, new Float32Array(10));
    expect(attempt).toThrow(/224 x 224 x 3 = 150528 numbers.*output.*length 10/);
  });

  it('writes into the output given, and nowhere else of its buffer', () => {
    const buffer = new Float32Array(150_528 + 2).fill(9);
    const output = buffer.subarray(1, 150_529);
    expect(preprocess(picture(1, 60, 60), household, output)).toBe(output);
    expect(output).toEqual(preprocess(picture(1, 60, 60), household));
    expect([buffer[0], buffer[150_529]]).toEqual([9, 9]);
  });
});
