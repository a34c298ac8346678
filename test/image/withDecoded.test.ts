import { execFileSync } from 'node:child_process';
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DecodeOptions, decodeImage, withDecoded } from '../../lib/image/decode.js';
import { decodeLimits } from '../../lib/image/limits.js';
import type { DecodedImage } from '../../lib/image/pixels.js';
import { describeShared } from '../shared.js';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'neonsense-decoding-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Left half black, right half white, a fifth of the height from the top red: shows any turn, flip or shift. */
function scene(width: number, height: number): Sharp {
  const row = (colour: (x: number) => readonly number[]): Buffer =>
    Buffer.from(Array.from({ length: width }, (_, x) => colour(x)).flat());
  const red = row(() => [200, 30, 30]);
  const halves = row((x) => (x < width / 2 ? [20, 20, 20] : [230, 230, 230]));
  const data = Buffer.concat(Array.from({ length: height }, (_, y) => (y < height / 5 ? red : halves)));
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** The colour at a place given in shares of width and height. */
function colourAt({ data, width, height }: DecodedImage, across: number, down: number): number[] {
  const at = (Math.floor(height * down) * width + Math.floor(width * across)) * 3;
  return Array.from(data.subarray(at, at + 3));
}

function expectScene(image: DecodedImage): void {
  for (const [across, down, colour] of [
    [0.1, 0.1, [200, 30, 30]],
    [0.9, 0.17, [200, 30, 30]],
    [0.45, 0.9, [20, 20, 20]],
    [0.55, 0.3, [230, 230, 230]],
  ] as const) {
    colourAt(image, across, down).forEach((value, c) => {
      expect(Math.abs(value - colour[c]!), `at ${across}, ${down}`).toBeLessThan(16);
    });
  }
}

describe('decoding no more than is seen', () => {
  it.each([
    ['a JPEG', (s: Sharp) => s.jpeg({ quality: 90 })],
    ['a progressive JPEG', (s: Sharp) => s.jpeg({ quality: 90, progressive: true })],
    ['a WebP', (s: Sharp) => s.webp({ quality: 90 })],
  ])('%s comes smaller, but never smaller than asked for', async (_, encode) => {
    for (const [width, height] of [
      [1600, 1200],
      [1201, 1603],
      [903, 2111],
    ] as const) {
      const encoded = await encode(scene(width, height)).toBuffer();
      const image = await decodeImage(encoded, { atLeast: () => [128, 96] });
      expect(image.height).toBeGreaterThanOrEqual(128);
      expect(image.width).toBeGreaterThanOrEqual(96);
      expect(image.width * image.height).toBeLessThan((width * height) / 8);
      expectScene(image);
    }
  });

  it('a JPEG that was taken on its side is measured upright', async () => {
    const turned = await scene(1600, 1200).rotate(270).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const image = await decodeImage(turned, { atLeast: () => [130, 170] });
    expect([image.width, image.height]).toEqual([Math.floor(1600 / 9), Math.floor(1200 / 9)]);
    expectScene(image);
  });

  // Where files that are open have names, libvips takes the factor in them.
  const byFactor = describe.skipIf(!existsSync('/proc/self/fd'));
  byFactor('a JPEG file', () => {
    const written = async (name: string, picture: Sharp): Promise<string> => {
      const file = join(folder, name);
      writeFileSync(file, await picture.jpeg({ quality: 90 }).toBuffer());
      return file;
    };

    it.each([
      [1280, 960, [448, 448], [640, 480]],
      [1280, 960, [481, 448], [1280, 960]],
      [1601, 1203, [300, 400], [400, 300]],
      [1601, 1203, [301, 400], [800, 601]],
      [1801, 1205, [150, 150], [225, 150]],
    ] as const)('of %i x %i is divided as often as leaves %j', async (width, height, kept, sides) => {
      const file = await written('divided.jpg', scene(width, height));
      const image = await decodeImage(file, { atLeast: () => kept });
      expect([image.width, image.height]).toEqual(sides);
      expectScene(image);
    });

    it('that was taken on its side is turned upright', async () => {
      const turned = scene(1600, 1200).rotate(270).withMetadata({ orientation: 6 });
      const image = await decodeImage(await written('turned.jpg', turned), { atLeast: () => [130, 170] });
      expect([image.width, image.height]).toEqual([200, 150]);
      expectScene(image);
    });

    it('is itself, whatever was decoded under its name before', async () => {
      const first = await written('first[shrink=8].jpg', scene(1600, 1200));
      const second = await written('second.jpg', scene(1600, 1200).negate());
      for (let i = 0; i < 3; i++) {
        expectScene(await decodeImage(first, { atLeast: () => [100, 100] }));
        expect(colourAt(await decodeImage(second, { atLeast: () => [100, 100] }), 0.45, 0.9)[0]).toBeGreaterThan(200);
      }
    });

    it('that is cut short is refused by its name', async () => {
      const whole = readFileSync(await written('whole.jpg', scene(1600, 1200)));
      const file = join(folder, 'cut.jpg');
      writeFileSync(file, whole.subarray(0, whole.length >> 1));
      const attempt = decodeImage(file, { atLeast: () => [100, 100] });
      await expect(attempt).rejects.toMatchObject({ code: 'ERR_IMAGE' });
      await expect(attempt).rejects.toThrow(/cut\.jpg can't be decoded.*damaged or cut short/);
    });
  });

  it.each([
    ['a PNG', (s: Sharp) => s.png(), 64],
    ['a GIF', (s: Sharp) => s.gif(), 64],
    ['a JPEG hardly larger than asked for', (s: Sharp) => s.jpeg(), 200],
    ['a WebP hardly larger than asked for', (s: Sharp) => s.webp(), 200],
  ])('%s is decoded whole', async (_, encode, side) => {
    const image = await decodeImage(await encode(scene(400, 300)).toBuffer(), { atLeast: () => [side, side] });
    expect([image.width, image.height]).toEqual([400, 300]);
  });

  it('is nearly what decoding all of it and averaging gives', async () => {
    const side = 1152;
    const data = Buffer.alloc(side * side * 3);
    for (let i = 0; i < data.length; i++) {
      const [x, y] = [Math.floor(i / 3) % side, Math.floor(i / 3 / side)];
      data[i] = 128 + 90 * Math.sin(x / (30 + (i % 3))) * Math.cos(y / 41);
    }
    const encoded = await sharp(data, { raw: { width: side, height: side, channels: 3 } })
      .jpeg({ quality: 95 })
      .toBuffer();
    const [fast, exact] = [await decodeImage(encoded, { atLeast: () => [128, 128] }), await decodeImage(encoded)];
    expect(fast.width).toBe(128);
    let largest = 0;
    for (let y = 0; y < 128; y++) {
      for (let x = 0; x < 128; x++) {
        let sum = 0;
        for (let row = 0; row < 9; row++) {
          for (let column = 0; column < 9; column++) sum += exact.data[((y * 9 + row) * side + x * 9 + column) * 3]!;
        }
        largest = Math.max(largest, Math.abs(sum / 81 - fast.data[(y * 128 + x) * 3]!));
      }
    }
    expect(largest).toBeLessThan(4);
  });
});

describeShared('pictures of the field', (shared) => {
  const picture = (name: string): string => join(shared, 'cases/pictures', name);

  it('of 12 and of 108 megapixels are shrunk while they are decoded', async () => {
    for (const name of ['80-12mp.jpg', '82-108mp.jpg']) {
      const { width, height } = await decodeImage(picture(name), { atLeast: () => [256, 256] });
      expect(Math.min(width, height)).toBeGreaterThanOrEqual(256);
      expect(width * height).toBeLessThan(2e6);
    }
  });

  it('that lack their last two bytes are decoded, those that lack more are not', async () => {
    const whole = readFileSync(picture('13-no-eoi.jpg'));
    const mended = await decodeImage(Buffer.concat([whole, Buffer.from([0xff, 0xd9])]));
    const { data } = await decodeImage(picture('13-no-eoi.jpg'));
    expect(Buffer.compare(data, mended.data)).toBe(0);
    for (const lost of [200, whole.length >> 1]) {
      await expect(decodeImage(whole.subarray(0, whole.length - lost))).rejects.toMatchObject({ code: 'ERR_IMAGE' });
    }
  });
});

describe('memory', () => {
  // Each takes 3 bytes a pixel and its few encoded bytes.
  const small = (): Promise<Buffer> => scene(200, 100).png().toBuffer();

  it('pictures in hand take no more than the limit together, and all have their turn', async () => {
    const encoded = await small();
    const limits = decodeLimits(2.5 * 200 * 100 * 3);
    let inHand = 0;
    let most = 0;
    const sizes = await Promise.all(
      Array.from({ length: 12 }, () =>
        withDecoded(encoded, { limits }, async ({ data }) => {
          most = Math.max(most, ++inHand);
          await new Promise((resolve) => setTimeout(resolve, 5));
          inHand--;
          return data.length;
        }),
      ),
    );
    expect(sizes).toEqual(new Array(12).fill(60_000));
    expect(most).toBe(2);
  });

  it('is given back whatever goes wrong: damage, a failed user, an abort', async () => {
    const encoded = await small();
    const limits = decodeLimits(60_000 + 1000);
    const damaged = encoded.subarray(0, encoded.length >> 1);
    await expect(decodeImage(damaged, { limits })).rejects.toMatchObject({ code: 'ERR_IMAGE' });
    await expect(withDecoded(encoded, { limits }, () => Promise.reject(new Error('own')))).rejects.toThrow('own');
    const controller = new AbortController();
    const aborted = decodeImage(encoded, { limits, signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect((await decodeImage(encoded, { limits })).width).toBe(200);
  });

  it('a picture that alone takes more than the limit is refused with its size, before it is decoded', async () => {
    const attempt = decodeImage(await small(), { limits: decodeLimits(50_000), name: 'large.png' });
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_IMAGE' });
    await expect(attempt).rejects.toThrow(/large\.png.*200 x 100 pixels.*1 MiB.*decodeMemory/);
  });
});

describe('named pipes', () => {
  const pipe = (name: string): string => {
    execFileSync('mkfifo', [join(folder, name)]);
    return join(folder, name);
  };
  const onUnix = it.skipIf(process.platform === 'win32');

  onUnix('are read when somebody writes', async () => {
    const path = pipe('written');
    const reading = decodeImage(path);
    const writer = createWriteStream(path);
    const encoded = await scene(40, 30).png().toBuffer();
    writer.write(encoded.subarray(0, 20));
    setTimeout(() => writer.end(encoded.subarray(20)), 10);
    expect((await reading).width).toBe(40);
  });

  onUnix('that nobody writes to end with the signal, and keep no other picture waiting', async () => {
    const limits = decodeLimits();
    const controller = new AbortController();
    const options: DecodeOptions = { signal: controller.signal, limits };
    const stuck = Array.from({ length: 8 }, (_, i) => decodeImage(pipe(`silent-${i}`), options));
    const ends = Promise.allSettled(stuck);
    const file = join(folder, 'beside.png');
    writeFileSync(file, await scene(40, 30).png().toBuffer());
    expect((await decodeImage(file, { limits })).width).toBe(40);
    controller.abort();
    for (const end of await ends) expect(end).toMatchObject({ status: 'rejected', reason: { code: 'ERR_ABORTED' } });
  });

  onUnix('with something else than a picture are not read to their end', async () => {
    const path = pipe('text');
    const reading = decodeImage(path);
    const writer = createWriteStream(path);
    writer.on('error', () => undefined);
    writer.write('x'.repeat(1000));
    await expect(reading).rejects.toMatchObject({ code: 'ERR_IMAGE' });
    writer.destroy();
  });
});
