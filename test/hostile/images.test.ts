import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NeonsenseError } from '../../lib/errors.js';
import { decodeImage } from '../../lib/image/decode.js';
import fc from '../fastCheck.js';

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
    ['SVG with a prolog', '<?xml version="1.0"?>\n<!-- a > b -->\n<!DOCTYPE svg>\n<svg width="9"/>', /an SVG drawing/],
    ['SVG behind many comments', `${'<!---->'.repeat(60)}<svg>`, /SVG drawing/],
    ['XML', `<?xml version="1.0"?>${'<!---->'.repeat(60)}<a>`, /an XML document/],
    ['a web page', '<!doctype html>\n<html><body>', /a web page/],
    ['HEIC', '\0\0\0\x18ftypheic\0\0\0\0mif1heic', /HEIC/],
    ['HEIC of another brand', '\0\0\0\x1cftypmsf1\0\0\0\0msf1hevciso8', /HEIC/],
    ['HEIC that only a compatible brand names', '\0\0\0\x20ftypmp42\0\0\0\0isommp41mif1heix', /HEIC/],
    ['the raw picture of a Canon camera', '\0\0\0\x18ftypcrx \0\0\0\x01crx isom', /raw picture of a Canon camera/],
    ['an older one', 'II*\0\x10\0\0\0CR\x02\0', /raw picture of a Canon camera/],
    ['a video', '\0\0\0\x18ftypisom\0\0\0\0mp41avc1', /a video/],
    ['JPEG XL', '\xff\x0a\xfa\x7f', /JPEG XL/],
    ['JPEG XL in a container', '\0\0\0\x0cJXL \r\n\x87\n', /JPEG XL/],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:0', /git lfs pull/],
    ['JPEG behind a line break', '\r\n\xff\xd8\xff\xe0\0\x10JFIF', /2 bytes of something else stand before its JPEG/],
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

describe('a TIFF picture', () => {
  /** A TIFF of one pixel whose directory has these entries: tag, value (a 16-bit one). */
  function tiff(entries: [tag: number, value: number][], { big = false, motorola = false } = {}): Buffer {
    const file = Buffer.alloc(200);
    const short = (value: number, at: number): number =>
      motorola ? file.writeUInt16BE(value, at) : file.writeUInt16LE(value, at);
    const long = (value: number, at: number): number =>
      motorola ? file.writeUInt32BE(value, at) : file.writeUInt32LE(value, at);
    // In BigTIFF the low half of eight bytes comes last for Motorola.
    const offset = (value: number, at: number): number => long(value, big && motorola ? at + 4 : at);
    file.write(motorola ? 'MM' : 'II', 0);
    short(big ? 43 : 42, 2);
    const directory = big ? 16 : 8;
    offset(directory, big ? 8 : 4);
    if (big) offset(entries.length, directory);
    else short(entries.length, directory);
    entries.forEach(([tag, value], index) => {
      const at = directory + (big ? 8 + 20 * index : 2 + 12 * index);
      short(tag, at);
      short(3, at + 2);
      offset(1, at + 4);
      short(value, at + (big ? 12 : 8));
    });
    return file;
  }

  it.each<[string, [number, number][], RegExp]>([
    [
      'floats',
      [
        [258, 32],
        [339, 3],
      ],
      /floating-point numbers: save it with 8 or 16 bits/,
    ],
    [
      'signed numbers',
      [
        [258, 16],
        [339, 2],
      ],
      /signed/,
    ],
    [
      'more than 16 bits',
      [
        [258, 32],
        [262, 1],
      ],
      /32 bits a channel/,
    ],
    [
      'L*a*b* colours',
      [
        [258, 8],
        [262, 8],
      ],
      /L\*a\*b\*/,
    ],
  ])('of %s is refused, in any byte order', async (_, entries, message) => {
    for (const form of [{}, { big: true }, { motorola: true }, { big: true, motorola: true }]) {
      const error = await failure(tiff(entries, form));
      expect(error).toMatchObject({ code: 'ERR_IMAGE' });
      expect(error.message).toMatch(message);
    }
  });

  it('with a directory that lies outside is left to the decoder', async () => {
    for (const at of [0, 7, 199, 0xfffffff0]) {
      const file = tiff([[258, 8]]);
      file.writeUInt32LE(at, 4);
      expect(await failure(file)).toMatchObject({
        code: 'ERR_IMAGE',
        message: expect.stringMatching(/can't be decoded/),
      });
    }
  });

  it('of 16 bits is decoded', async () => {
    const picture = await noise(8).toColourspace('rgb16').tiff().toBuffer();
    expect((await decodeImage(picture)).data).toHaveLength(192);
  });
});

describe('a JPEG without its end marker', () => {
  it.each([
    ['baseline', () => noise(64).jpeg()],
    ['progressive', () => noise(64).jpeg({ progressive: true })],
    ['grey', () => noise(64).greyscale().jpeg()],
  ])('(%s) is decoded as with it, but not without a byte of its pixels', async (_, encode) => {
    const whole = await encode().toBuffer();
    const expected = (await decodeImage(whole)).data;
    for (const missing of [1, 2]) expect((await decodeImage(whole.subarray(0, -missing))).data).toEqual(expected);
    expect(await failure(whole.subarray(0, -12))).toMatchObject({ code: 'ERR_IMAGE' });
  });

  it('(progressive) is refused without its last scan, which a browser would show blurred', async () => {
    const whole = await noise(64).jpeg({ progressive: true }).toBuffer();
    const lastScan = whole.lastIndexOf(Buffer.from([0xff, 0xda]));
    const tables = whole.lastIndexOf(Buffer.from([0xff, 0xc4]), lastScan);
    expect(await failure(whole.subarray(0, Math.min(lastScan, tables)))).toMatchObject({ code: 'ERR_IMAGE' });
    const cut = Buffer.concat([whole.subarray(0, lastScan), Buffer.from([0xff])]);
    expect(await failure(cut)).toMatchObject({ code: 'ERR_IMAGE' });
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
    const error = await failure(file('bomb.png', pngHeader(30_000, 30_000)));
    expect(error).toMatchObject({ code: 'ERR_IMAGE' });
    expect(error.message).toMatch(
      /bomb\.png.*30000 x 30000 pixels \(900 megapixels\), which takes 2575 MiB of memory; at most \d+ MiB/,
    );
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
