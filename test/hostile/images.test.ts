import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NeonsenseError } from '../../lib/errors.js';
import { decodeImage } from '../../lib/image/decode.js';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'neonsense-hostile-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function failure(input: string | Uint8Array): Promise<NeonsenseError> {
  const error: unknown = await decodeImage(input).then(
    () => new Error('it was decoded'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(NeonsenseError);
  return error as NeonsenseError;
}

/** Noise, so that no format can make the pixels small and a cut always hits them. */
function noise(side: number): Sharp {
  let state = 1;
  const data = Buffer.alloc(side * side * 3);
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state >>> 24;
  }
  return sharp(data, { raw: { width: side, height: side, channels: 3 } });
}

function pngChunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc(body), body.length + 4);
  return chunk;
}

/** CRC-32 as the PNG specification gives it. */
function crc(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return (value ^ 0xffffffff) >>> 0;
}

/** A PNG that claims a size its few bytes of pixels do not have. */
function pngHeader(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(Buffer.alloc(1000))),
    pngChunk('IEND', new Uint8Array(0)),
  ]);
}

describe('files that are no picture', () => {
  it('a missing file', async () => {
    const path = join(folder, 'missing.png');
    const error = await failure(path);
    expect(error).toMatchObject({ code: 'ERR_NOT_FOUND' });
    expect(error.message).toBe(`${path} does not exist`);
  });

  it('a path below a file', async () => {
    expect(await failure(join(file('plain', 'x'), 'a.png'))).toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  it('a path with a zero byte', async () => {
    expect(await failure('a\0b.png')).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  it('a directory', async () => {
    const path = join(folder, 'album.jpg');
    mkdirSync(path);
    const error = await failure(path);
    expect(error).toMatchObject({ code: 'ERR_IO' });
    expect(error.message).toMatch(/album\.jpg is a directory/);
  });

  it.each(['png', 'jpg', 'webp', 'gif', 'avif', 'tiff'])('an empty .%s', async (extension) => {
    const error = await failure(file(`empty.${extension}`, ''));
    expect(error).toMatchObject({ code: 'ERR_IMAGE' });
    expect(error.message).toMatch(new RegExp(`empty\\.${extension} is empty \\(0 bytes\\)`));
  });

  it('a text file named .jpg', async () => {
    const error = await failure(file('notes.jpg', 'milk, bread and\nbutter'));
    expect(error).toMatchObject({ code: 'ERR_IMAGE' });
    expect(error.message).toMatch(/notes\.jpg is not a JPEG, PNG, WebP, GIF, AVIF or TIFF picture.*"milk, bread /);
  });

  it.each([
    ['SVG, which could read other files', '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', /SVG/],
    ['PDF', '%PDF-1.7\n', /PDF/],
    ['BMP', 'BM' + '\0'.repeat(60), /BMP/],
    ['HEIC', '\0\0\0\x18ftypheic\0\0\0\0mif1heic', /HEIC/],
    ['zip', 'PK\x03\x04', /zip/],
  ])('%s is refused by what it is', async (_, content, message) => {
    const error = await failure(Buffer.from(content, 'latin1'));
    expect(error).toMatchObject({ code: 'ERR_IMAGE' });
    expect(error.message).toMatch(message);
  });

  it('an endless file is not read to its end', async () => {
    expect(await failure('/dev/zero')).toMatchObject({ code: 'ERR_IMAGE' });
  });
});

describe('damaged pictures', () => {
  const encoders = {
    jpeg: () => noise(64).jpeg(),
    png: () => noise(64).png(),
    webp: () => noise(64).webp(),
    gif: () => noise(64).gif(),
    avif: () => noise(64).avif({ effort: 0 }),
    tiff: () => noise(64).tiff({ compression: 'lzw' }),
  };

  const formats = Object.entries(encoders);
  it.each(formats)('a %s cut anywhere is refused by name, or all its pixels were there', async (name, encode) => {
    const whole = await encode().toBuffer();
    const expected = (await decodeImage(whole)).data;
    for (let tenth = 0; tenth < 10; tenth++) {
      const path = file(`cut-${tenth}.${name}`, whole.subarray(0, Math.floor((whole.length * tenth) / 10)));
      const error = await failure(path);
      expect(error, `${tenth}/10`).toMatchObject({ code: 'ERR_IMAGE' });
      expect(error.message).toContain(path);
    }
    // Some formats end with bytes no pixel needs.
    for (let missing = 1; missing <= 16; missing++) {
      const result = await decodeImage(whole.subarray(0, whole.length - missing)).catch((error: unknown) => error);
      if (result instanceof NeonsenseError) expect(result.code).toBe('ERR_IMAGE');
      else expect((result as { data: Uint8Array }).data).toEqual(expected);
    }
  });

  it('a progressive JPEG cut in half, which a browser would show blurred', async () => {
    const whole = await noise(64).jpeg({ progressive: true }).toBuffer();
    expect(await failure(whole.subarray(0, whole.length >> 1))).toMatchObject({ code: 'ERR_IMAGE' });
  });

  it('random damage is refused or decoded, never a crash or another kind of error', async () => {
    const wholes = await Promise.all(Object.values(encoders).map((encode) => encode().toBuffer()));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...wholes),
        fc.array(fc.tuple(fc.double({ min: 0, max: 0.9999, noNaN: true }), fc.nat(255)), { maxLength: 8 }),
        async (whole, changes) => {
          const damaged = Buffer.from(whole);
          for (const [share, byte] of changes) damaged[Math.floor(share * damaged.length)] = byte;
          const result = await decodeImage(damaged).catch((error: unknown) => error);
          if (result instanceof Error) expect(result).toMatchObject({ code: 'ERR_IMAGE' });
          else expect(result).toHaveProperty('channels', 3);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('pictures too large to hold', () => {
  it('a PNG header of 30,000 x 30,000 is refused with the size and the limit', async () => {
    const started = performance.now();
    const error = await failure(file('bomb.png', pngHeader(30_000, 30_000)));
    expect(error).toMatchObject({ code: 'ERR_IMAGE' });
    expect(error.message).toMatch(/bomb\.png.*30000 x 30000 pixels \(900 megapixels\); at most 100 megapixels/);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it.each([
    [2 ** 31 - 1, 2 ** 31 - 1],
    [1, 2 ** 31 - 1],
    [0, 10],
    [0xffffffff, 0xffffffff],
  ])('a PNG header of %i x %i', async (width, height) => {
    expect(await failure(pngHeader(width, height))).toMatchObject({ code: 'ERR_IMAGE' });
  });
});
