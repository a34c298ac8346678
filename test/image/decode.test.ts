import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { decodeImage } from '../../lib/image/decode.js';
import type { DecodedImage } from '../../lib/image/pixels.js';

/** A 48 x 32 picture whose quarters are red, green / blue, yellow: enough to see any turn, flip or channel swap. */
const WIDTH = 48;
const HEIGHT = 32;
const QUARTERS = [
  [
    [220, 30, 30],
    [30, 200, 40],
  ],
  [
    [30, 40, 210],
    [230, 220, 40],
  ],
] as const;

const pixels = Buffer.alloc(WIDTH * HEIGHT * 3);
for (let y = 0; y < HEIGHT; y++) {
  for (let x = 0; x < WIDTH; x++) {
    pixels.set(QUARTERS[y < HEIGHT / 2 ? 0 : 1][x < WIDTH / 2 ? 0 : 1], (y * WIDTH + x) * 3);
  }
}
const raw = { width: WIDTH, height: HEIGHT, channels: 3 } as const;
const source = (): Sharp => sharp(pixels, { raw });

/** The colour in the middle of each quarter, row by row. */
function quarters({ data, width, height }: DecodedImage): number[][] {
  return [0.25, 0.75].flatMap((down) =>
    [0.25, 0.75].map((across) => {
      const at = (Math.floor(height * down) * width + Math.floor(width * across)) * 3;
      return Array.from(data.subarray(at, at + 3));
    }),
  );
}

function expectQuarters(image: DecodedImage, tolerance: number, expected: readonly (readonly number[])[]): void {
  const found = quarters(image);
  const worst = Math.max(...found.flatMap((colour, i) => colour.map((v, c) => Math.abs(v - expected[i]![c]!))));
  expect(worst, `${JSON.stringify(found)} is not near ${JSON.stringify(expected)}`).toBeLessThanOrEqual(tolerance);
}

const upright = QUARTERS.flat();

/** One row of 16-bit RGB pixels as a PNG. */
function png16(values: readonly number[]): Promise<Buffer> {
  const row = { width: values.length / 3, height: 1, channels: 3 } as const;
  return sharp(Uint16Array.from(values), { raw: row }).toColourspace('rgb16').png().toBuffer();
}

/** One row of 16-bit RGB pixels as an uncompressed little-endian TIFF, after the TIFF 6.0 specification. */
function tiff16(values: readonly number[]): Buffer {
  const [short, long] = [3, 4];
  const entries = [
    [256, long, values.length / 3], // width
    [257, long, 1], // height
    [258, short, 16, 3], // bits per sample, kept at the end of the file
    [259, short, 1], // not compressed
    [262, short, 2], // RGB
    [273, long, 0], // where the pixels are; set below
    [277, short, 3], // samples per pixel
    [278, long, 1], // rows per strip
    [279, long, values.length * 2],
  ] as const;
  const bits = 8 + 2 + entries.length * 12 + 4;
  const file = Buffer.alloc(bits + 6 + values.length * 2);
  file.write('II*\0', 'latin1');
  file.writeUInt32LE(8, 4);
  file.writeUInt16LE(entries.length, 8);
  entries.forEach(([tag, type, value, count = 1], i) => {
    const at = 10 + i * 12;
    file.writeUInt16LE(tag, at);
    file.writeUInt16LE(type, at + 2);
    file.writeUInt32LE(count, at + 4);
    file.writeUInt32LE(tag === 258 ? bits : tag === 273 ? bits + 6 : value, at + 8);
  });
  for (let i = 0; i < 3; i++) file.writeUInt16LE(16, bits + i * 2);
  values.forEach((value, i) => file.writeUInt16LE(value, bits + 6 + i * 2));
  return file;
}

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'neonsense-decode-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('formats', () => {
  it.each([
    ['JPEG', () => source().jpeg({ quality: 95, chromaSubsampling: '4:4:4' }), 6],
    ['progressive JPEG', () => source().jpeg({ quality: 95, progressive: true }), 6],
    ['PNG', () => source().png(), 0],
    ['palette PNG', () => source().png({ palette: true }), 2],
    ['interlaced PNG', () => source().png({ progressive: true }), 0],
    ['lossless WebP', () => source().webp({ lossless: true }), 0],
    ['WebP', () => source().webp({ quality: 95 }), 8],
    ['GIF', () => source().gif(), 4],
    ['AVIF', () => source().avif({ quality: 90, effort: 0 }), 8],
    ['TIFF', () => source().tiff({ compression: 'lzw' }), 0],
    ['BigTIFF', () => source().tiff({ bigtiff: true, compression: 'lzw' }), 0],
  ])('%s, from bytes and from a file whatever its name', async (name, encoder, tolerance) => {
    const encoded = await encoder().toBuffer();
    const file = join(folder, `${name}.unknown`);
    writeFileSync(file, encoded);
    for (const input of [encoded, new Uint8Array(encoded), file]) {
      const image = await decodeImage(input);
      expect([image.width, image.height, image.channels, image.data.length]).toEqual([WIDTH, HEIGHT, 3, 4608]);
      expectQuarters(image, tolerance, upright);
    }
  });
});

describe('conversion to 8-bit sRGB', () => {
  // Where orientation N shows the stored quarters top left, top right, bottom left, bottom right (0 1 / 2 3).
  const shown = {
    1: [0, 1, 2, 3],
    2: [1, 0, 3, 2],
    3: [3, 2, 1, 0],
    4: [2, 3, 0, 1],
    5: [0, 2, 1, 3],
    6: [1, 3, 0, 2],
    7: [3, 1, 2, 0],
    8: [2, 0, 3, 1],
  };
  it.each(Object.entries(shown))('applies EXIF orientation %s', async (orientation, places) => {
    const turned = Number(orientation) > 4;
    const encoded = await source()
      .withMetadata({ orientation: Number(orientation) })
      .png()
      .toBuffer();
    const image = await decodeImage(encoded);
    expect([image.width, image.height]).toEqual(turned ? [HEIGHT, WIDTH] : [WIDTH, HEIGHT]);
    const expected: (readonly number[])[] = [];
    places.forEach((place, quarter) => (expected[place] = upright[quarter]!));
    expectQuarters(image, 0, expected);
  });

  it('lays transparency over white', async () => {
    const rgba = Buffer.from([255, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 128, 10, 20, 30, 255]);
    const encoded = await sharp(rgba, { raw: { width: 2, height: 2, channels: 4 } })
      .png()
      .toBuffer();
    const { data } = await decodeImage(encoded);
    expect(Array.from(data.subarray(0, 6))).toEqual([255, 255, 255, 0, 0, 255]);
    for (const value of data.subarray(6, 9)) expect(Math.abs(value - 127)).toBeLessThanOrEqual(1);
    expect(Array.from(data.subarray(9))).toEqual([10, 20, 30]);
  });

  it('spreads greyscale, with and without alpha, over three channels', async () => {
    const grey = Buffer.from([0, 85, 170, 255]);
    const row = { width: 4, height: 1, channels: 1 } as const;
    const encoded = await sharp(grey, { raw: row }).toColourspace('b-w').png().toBuffer();
    expect((await sharp(encoded).metadata()).channels).toBe(1);
    const expected = [0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255];
    expect(Array.from((await decodeImage(encoded)).data)).toEqual(expected);
    const withAlpha = await sharp(Buffer.from([0, 255, 85, 0]), { raw: { width: 2, height: 1, channels: 2 } })
      .png()
      .toBuffer();
    expect(Array.from((await decodeImage(withAlpha)).data)).toEqual([0, 0, 0, 255, 255, 255]);
  });

  const wide = [0, 0x1234, 0x8000, 0xffff, 0x4040, 0xc0c0];
  it.each([
    ['PNG', () => png16(wide)],
    ['TIFF', () => tiff16(wide)],
  ])('brings a 16-bit %s to 8 bit', async (_, encode) => {
    const encoded = await encode();
    expect((await sharp(encoded).metadata()).depth).toBe('ushort');
    const { data } = await decodeImage(encoded);
    [0, 0x12, 0x80, 0xff, 0x40, 0xc0].forEach((value, i) => expect(Math.abs(data[i]! - value)).toBeLessThanOrEqual(1));
  });

  it.each(['jpeg', 'tiff'] as const)('converts a CMYK %s', async (format) => {
    const encoded = await source().toColourspace('cmyk')[format]({ quality: 95 }).toBuffer();
    expect((await sharp(encoded).metadata()).space).toBe('cmyk');
    const image = await decodeImage(encoded);
    // Print can't show these colours exactly; which of the channels is strong and which weak must survive.
    quarters(image).forEach((colour, i) => {
      colour.forEach((value, c) => expect(value > 128).toBe(upright[i]![c]! > 128));
    });
  });

  it('converts an embedded wide-gamut profile', async () => {
    const encoded = await source().withIccProfile('p3').png().toBuffer();
    const stored = await sharp(encoded, { ignoreIcc: true }).raw().toBuffer();
    expect(Math.abs(stored[0]! - upright[0]![0]!)).toBeGreaterThan(4);
    expectQuarters(await decodeImage(encoded), 3, upright);
  });

  it('takes the first frame of an animation and the first page of a TIFF', async () => {
    const second = Buffer.alloc(pixels.length, 128);
    const frames = await sharp(Buffer.concat([pixels, second]), {
      raw: { width: WIDTH, height: HEIGHT * 2, channels: 3, pageHeight: HEIGHT },
    })
      .gif({ delay: [50, 50] })
      .toBuffer();
    expect((await sharp(frames).metadata()).pages).toBe(2);
    const image = await decodeImage(frames);
    expect([image.width, image.height]).toEqual([WIDTH, HEIGHT]);
    expectQuarters(image, 4, upright);
  });
});

describe('without sharp', () => {
  it('says how to add it', async () => {
    vi.resetModules();
    vi.doMock('sharp', () => {
      throw new Error("Cannot find package 'sharp'");
    });
    try {
      const { decodeImage: decodeWithoutSharp } = await import('../../lib/image/decode.js');
      const attempt = decodeWithoutSharp(await source().png().toBuffer());
      await expect(attempt).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
      await expect(attempt).rejects.toThrow(/run `npm install .*sharp`.*raw pixels/);
    } finally {
      vi.doUnmock('sharp');
      vi.resetModules();
    }
  });
});

describe('abort', () => {
  it('stops before and after decoding', async () => {
    const encoded = await source().png().toBuffer();
    await expect(decodeImage(encoded, { signal: AbortSignal.abort('no') })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      cause: 'no',
    });
    const controller = new AbortController();
    const attempt = decodeImage(encoded, { signal: controller.signal });
    controller.abort();
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});
