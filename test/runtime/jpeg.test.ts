// JPEG files that the engine reads itself, against sharp's decoder and averages in JavaScript.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../../lib/classify/classifier.js';
import { atLeast, DETAIL } from '../../lib/image/atLeast.js';
import { decodeImage } from '../../lib/image/decode.js';
import type { DecodedImage } from '../../lib/image/pixels.js';
import type { Preprocessing } from '../../lib/model/preprocessing.js';
import { newPreprocessor, preprocess } from '../../lib/runtime/preprocess.js';
import { createSession } from '../../lib/runtime/session.js';
import { randomModel } from '../randomModel.js';

const SIZE = [20, 24] as const;
/** Averages of 8-bit colours, so that differences are in their steps. */
const AVERAGE: Preprocessing = { size: SIZE, interpolation: 'area', range: [0, 255], mean: [0, 0, 0], std: [1, 1, 1] };
const LIMITS = { ...DETAIL, bytes: Number.POSITIVE_INFINITY };

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'neonsense-jpeg-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Waves of all directions and colours, no two corners alike, with an edge of this many steps between them. */
function picture(width: number, height: number, edge = 60): Sharp {
  const data = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = [x / width, y / height];
      const step = u + 2 * v > 1.2 ? edge : 0;
      const wave = 60 * Math.sin(9 * u + 14 * v * v);
      data.set([40 + step + 120 * u, 200 - step - 150 * v * u, 90 + step + wave], (y * width + x) * 3);
    }
  }
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** As the engine reads a picture of which no more has to be kept: squares of pixels averaged, the last ones repeated. */
function shrunk({ data, width, height }: DecodedImage, preprocessing: Preprocessing): DecodedImage {
  const [rows, columns] = atLeast(preprocessing)!([height, width]);
  const factor = [8, 4, 2].find((f) => Math.floor(height / f) >= rows && Math.floor(width / f) >= columns) ?? 1;
  if (factor === 1) return { data, width, height, channels: 3 };
  const averages = new Uint8Array(data.length);
  const inside = (at: number, x: number, y: number): number =>
    (Math.min(height - 1, y + Math.floor(at / factor)) * width + Math.min(width - 1, x + (at % factor))) * 3;
  for (let y = 0; y < height; y += factor) {
    for (let x = 0; x < width; x += factor) {
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let at = 0; at < factor * factor; at++) sum += data[inside(at, x, y) + c]!;
        const average = Math.round(sum / (factor * factor));
        for (let at = 0; at < factor * factor; at++) averages[inside(at, x, y) + c] = average;
      }
    }
  }
  return { data: averages, width, height, channels: 3 };
}

/** What the engine makes of a JPEG file, undefined where it leaves it to others. */
function read(jpeg: Uint8Array, preprocessing = AVERAGE, limits = LIMITS): Float32Array | undefined {
  const native = newPreprocessor(preprocessing);
  native.copy(jpeg, 0, jpeg.length);
  const input = new Float32Array(preprocessing.size[0] * preprocessing.size[1] * 3);
  return native.runJpeg(undefined, limits, input) ? input : undefined;
}

/** Largest and mean difference from what averaging sharp's pixels gives. */
async function difference(jpeg: Uint8Array, preprocessing = AVERAGE): Promise<{ largest: number; mean: number }> {
  const expected = preprocess(shrunk(await decodeImage(jpeg), preprocessing), preprocessing);
  const found = read(jpeg, preprocessing);
  expect(found, 'the engine reads it').toBeDefined();
  const differences = Array.from(expected, (value, i) => Math.abs(value - found![i]!));
  return { largest: Math.max(...differences), mean: differences.reduce((a, b) => a + b) / differences.length };
}

/** Where the marker segment of this kind begins, its two bytes included. */
const segmentAt = (jpeg: Uint8Array, marker: number): number => Buffer.from(jpeg).indexOf(Buffer.from([0xff, marker]));

/** With another byte somewhere behind the beginning of a marker segment. */
function changed(jpeg: Uint8Array, marker: number, offset: number, value: number): Buffer {
  const copy = Buffer.from(jpeg);
  copy[segmentAt(jpeg, marker) + offset] = value;
  return copy;
}

describe('a JPEG file read by the engine', () => {
  // Sides of which the file is read at a half, a quarter and an eighth too.
  it.each([
    [60, 50],
    [97, 101],
    [103, 200],
    [400, 333],
    [1021, 767],
  ])('%i x %i is what averaging all of its pixels gives, in every sampling', async (width, height) => {
    for (const options of [
      { quality: 20, chromaSubsampling: '4:4:4' },
      { quality: 90, chromaSubsampling: '4:4:4' },
      { quality: 100, chromaSubsampling: '4:4:4' },
      { quality: 75, chromaSubsampling: '4:2:0' },
      { quality: 50, chromaSubsampling: '4:2:0' },
      { quality: 90, chromaSubsampling: '4:2:0' },
    ]) {
      const jpeg = await picture(width, height).jpeg(options).toBuffer();
      const { largest, mean } = await difference(jpeg);
      // At a half, chroma of half the resolution is taken as it is, and not what lies between two samples.
      const isHalved = options.chromaSubsampling === '4:2:0';
      expect(mean, JSON.stringify(options)).toBeLessThan(isHalved ? 0.8 : 0.5);
      expect(largest, JSON.stringify(options)).toBeLessThan(isHalved ? 12 : 2.5);
    }
  });

  it('is turned upright as Exif says', async () => {
    const sides: readonly (readonly [number, number])[] = [
      [61, 53],
      [211, 161],
    ];
    for (const [width, height] of sides) {
      for (let orientation = 1; orientation <= 8; orientation++) {
        const jpeg = await picture(width, height, 0)
          .jpeg({ quality: 90 })
          .withExif({ IFD0: { Orientation: `${orientation}` } })
          .toBuffer();
        const { largest } = await difference(jpeg);
        expect(largest, `orientation ${orientation}`).toBeLessThan(3);
      }
    }
  });

  it('may be grey', async () => {
    const jpeg = await picture(301, 155).toColourspace('b-w').jpeg({ quality: 90 }).toBuffer();
    expect((await sharp(jpeg).metadata()).channels).toBe(1);
    expect((await difference(jpeg)).largest).toBeLessThan(1);
  });

  it.each(['crop', 'letterbox', 'squash'] as const)('is fitted as pixels are: %s', async (fit) => {
    const jpeg = await picture(417, 203).jpeg({ quality: 95 }).toBuffer();
    const { largest } = await difference(jpeg, { ...AVERAGE, fit, ...(fit === 'letterbox' ? {} : { resize: 26 }) });
    expect(largest).toBeLessThan(3);
  });

  it('is read from a path and from bytes alike, at the end of a larger buffer too', async () => {
    const jpeg = await picture(640, 480).jpeg().toBuffer();
    const path = join(folder, 'a photo – ähnlich.jpg');
    writeFileSync(path, jpeg);
    const input = new Float32Array(SIZE[0] * SIZE[1] * 3);
    const native = newPreprocessor(AVERAGE);
    expect(native.runJpeg(path, LIMITS, input)).toBe(true);
    expect(read(jpeg)).toEqual(input);
    const behind = Buffer.concat([Buffer.alloc(3), jpeg]).subarray(3);
    expect(read(behind)).toEqual(input);
    // What follows the end is not the picture's.
    expect(read(Buffer.concat([jpeg, jpeg]))).toEqual(input);
  });

  it('is read where its colour profile is sRGB', async () => {
    const jpeg = await picture(200, 160).withIccProfile('srgb').jpeg().toBuffer();
    expect(segmentAt(jpeg, 0xe2)).toBeGreaterThan(0);
    expect((await difference(jpeg)).mean).toBeLessThan(0.5);
    const parts = changed(jpeg, 0xe2, 17, 2);
    expect(read(parts), 'one of two parts of a profile').toBeUndefined();
  });

  it('is left to others where it is no plain JPEG file', async () => {
    const source = picture(200, 160);
    const jpeg = await source.clone().jpeg().toBuffer();
    expect(read(jpeg)).toBeDefined();
    const foreign: Record<string, Uint8Array> = {
      progressive: await source.clone().jpeg({ progressive: true }).toBuffer(),
      CMYK: await source.clone().toColourspace('cmyk').jpeg().toBuffer(),
      'with the colours of Display P3': await source.clone().withIccProfile('p3').jpeg().toBuffer(),
      PNG: await source.clone().png().toBuffer(),
      nothing: new Uint8Array(0),
      'of 12 bits': changed(jpeg, 0xc0, 4, 12),
      'of no height': changed(changed(jpeg, 0xc0, 5, 0), 0xc0, 6, 0),
      'of unusual sampling': changed(jpeg, 0xc0, 11, 0x41),
      'arithmetic-coded': changed(jpeg, 0xc0, 1, 0xc9),
      'of a scan of some components': changed(jpeg, 0xda, 4, 2),
      'RGB, as its components say': changed(changed(changed(jpeg, 0xc0, 10, 0x52), 0xc0, 13, 0x47), 0xc0, 16, 0x42),
    };
    for (const [what, bytes] of Object.entries(foreign)) expect(read(bytes), what).toBeUndefined();
    const native = newPreprocessor(AVERAGE);
    for (const path of [folder, join(folder, 'missing.jpg'), '/dev/zero', '']) {
      expect(native.runJpeg(path, LIMITS, new Float32Array(SIZE[0] * SIZE[1] * 3)), path).toBe(false);
    }
  });

  it('is left to others where it is damaged', async () => {
    const jpeg = await picture(300, 200).jpeg().toBuffer();
    for (let length = 0; length < jpeg.length; length += 7) {
      expect(read(jpeg.subarray(0, length)), `${length} bytes`).toBeUndefined();
    }
    const { length } = jpeg;
    const longer = Buffer.concat([jpeg.subarray(0, length - 2), Buffer.alloc(40, 0x55), jpeg.subarray(length - 2)]);
    expect(read(longer), 'with bytes that belong to nothing').toBeUndefined();
    // Codes of one bit, of which three are too many.
    expect(read(changed(jpeg, 0xc4, 5, 3)), 'of an impossible code').toBeUndefined();
  });

  it('is left to others where a model does not average, or more memory would be taken than is allowed', async () => {
    const jpeg = await picture(300, 200).jpeg().toBuffer();
    expect(read(jpeg, { ...AVERAGE, interpolation: 'bilinear' })).toBeUndefined();
    expect(read(jpeg, { ...AVERAGE, interpolation: 'bilinear', antialias: true })).toBeUndefined();
    // Smaller than what it becomes.
    expect(read(await picture(12, 13).jpeg().toBuffer())).toBeUndefined();
    expect(read(jpeg, AVERAGE, { ...LIMITS, bytes: 1000 })).toBeUndefined();
  });

  it('that says it is huge ends with its bytes', async () => {
    const jpeg = await picture(64, 64).jpeg().toBuffer();
    let huge: Uint8Array = jpeg;
    for (let i = 5; i < 9; i++) huge = changed(huge, 0xc0, i, 0xff);
    expect(read(huge)).toBeUndefined();
    // Long and narrow: within the limit, but not there.
    expect(read(changed(changed(jpeg, 0xc0, 5, 0xff), 0xc0, 6, 0xff))).toBeUndefined();
  });
});

describe('session.runJpeg', () => {
  const preprocessing = { ...AVERAGE, size: [64, 64] as const, range: [0, 1] as const };
  const model = { ...randomModel({ size: 64 }), preprocessing };

  it('gives the logits of the input made of it, for paths and bytes in turn', async () => {
    await using session = await createSession(model, { threads: 1 });
    const jpegs = await Promise.all(
      [300, 700, 1000].map((side) =>
        picture(side, side - 21)
          .jpeg()
          .toBuffer(),
      ),
    );
    const path = join(folder, 'turn.jpg');
    writeFileSync(path, jpegs[0]!);
    const expected = await Promise.all(jpegs.map((jpeg) => session.run(read(jpeg, preprocessing)!)));
    const runs = await Promise.all([
      session.runJpeg(path, LIMITS),
      ...jpegs.map((jpeg) => session.runJpeg(jpeg, LIMITS)),
      session.runJpeg(jpegs[1]!.subarray(0, 900), LIMITS),
      session.runJpeg(path, LIMITS),
    ]);
    expect(runs.map((run) => run?.output)).toEqual([expected[0], ...expected, undefined, expected[0]]);
    expect(runs[0]!.ms.preprocess).toBeGreaterThan(0);
    expect(runs[0]!.ms.inference).toBeGreaterThan(0);
  });
});

describe('a classifier', () => {
  const preprocessing = { ...AVERAGE, size: [64, 64] as const, range: [0, 1] as const };
  const model = { ...randomModel({ size: 64 }), preprocessing };

  it('gives the same of a JPEG file in any form, alone and among others', async () => {
    await using classifier = await Classifier.load(model, { threads: 2 });
    const jpeg = await picture(500, 400).jpeg().toBuffer();
    const path = join(folder, 'any.JPG');
    writeFileSync(path, jpeg);
    await using session = await createSession(model, { threads: 1 });
    const logits = Array.from((await session.runJpeg(jpeg, LIMITS))!.output);
    const forms = [path, jpeg, new Blob([new Uint8Array(jpeg)]), new Uint8Array(jpeg).buffer];
    for (const form of forms) expect((await classifier.classify(form, { logits: true })).logits).toEqual(logits);
    const together = await classifier.classifyBatch([...forms, ...forms], { logits: true });
    for (const result of together) expect(result.logits).toEqual(logits);
  });

  it('says of a damaged one what sharp says, and reads what the engine does not', async () => {
    await using classifier = await Classifier.load(model, { threads: 1 });
    await using exact = await Classifier.load(model, { threads: 1, decode: 'exact' });
    const jpeg = await picture(300, 200).jpeg().toBuffer();
    const cut = jpeg.subarray(0, jpeg.length >> 1);
    const message = await exact.classify(cut).catch((error: Error) => error.message);
    expect(message).toMatch(/^`image` can't be decoded: the file is damaged or cut short/);
    await expect(classifier.classify(cut)).rejects.toMatchObject({ code: 'ERR_IMAGE', message });
    await expect(classifier.classify(join(folder, 'none.jpg'))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    const progressive = await picture(100, 80).jpeg({ progressive: true }).toBuffer();
    expect((await classifier.classify(progressive)).predictions).toHaveLength(5);
    const small = await picture(30, 20).jpeg().toBuffer();
    const options = { logits: true } as const;
    expect((await classifier.classify(small, options)).logits).toEqual((await exact.classify(small, options)).logits);
  });
});
