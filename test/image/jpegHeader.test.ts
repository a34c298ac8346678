import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { jpegHeader } from '../../lib/image/jpegHeader.js';

const picture = (): Sharp =>
  sharp({ create: { width: 75, height: 40, channels: 3, background: { r: 200, g: 100, b: 50 } } });

/** The first bytes of a file, as they are read of one. */
const beginning = async (written: Sharp): Promise<Uint8Array> => (await written.toBuffer()).subarray(0, 64 * 1024);

const FIELDS = ['format', 'width', 'height', 'channels', 'depth', 'isProgressive', 'autoOrient'] as const;

describe('jpegHeader', () => {
  it.each<[string, (p: Sharp) => Sharp]>([
    ['colour', (p) => p.jpeg()],
    ['full chroma', (p) => p.jpeg({ chromaSubsampling: '4:4:4' })],
    ['progressive', (p) => p.jpeg({ progressive: true })],
    ['greyscale', (p) => p.toColourspace('b-w').jpeg()],
    ['with a colour profile', (p) => p.withIccProfile('p3').jpeg()],
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((orientation): [string, (p: Sharp) => Sharp] => [
      `orientation ${orientation}`,
      (p) => p.withMetadata({ orientation }).jpeg(),
    ]),
  ])('says of a picture what the decoder says: %s', async (_, write) => {
    const bytes = await beginning(write(picture()));
    const told = await sharp(bytes).metadata();
    const header = jpegHeader(bytes);
    for (const field of FIELDS) expect([field, header?.[field]]).toEqual([field, told[field]]);
    expect(header?.orientation ?? 1).toBe(told.orientation ?? 1);
  });

  it('reads an orientation in the order of bytes of the camera', async () => {
    const [before, after] = [[0xff, 0xd8], [...(await beginning(picture().jpeg()))].slice(2)];
    // A TIFF directory of one entry, big end first: orientation 8.
    const exif = [...Buffer.from('Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0', 'latin1')];
    const bytes = Uint8Array.from([...before, 0xff, 0xe1, 0, exif.length + 2, ...exif, ...after]);
    expect(jpegHeader(bytes)).toMatchObject({ orientation: 8, autoOrient: { width: 40, height: 75 } });
    expect((await sharp(bytes).metadata()).orientation).toBe(8);
  });

  it('leaves CMYK to the decoder', async () => {
    expect(jpegHeader(await beginning(picture().toColourspace('cmyk').jpeg()))).toBeUndefined();
  });

  it('leaves every beginning that ends before the frame to the decoder', async () => {
    const bytes = await beginning(picture().withMetadata({ orientation: 6 }).jpeg());
    const frame = bytes.findIndex((byte, at) => byte === 0xff && bytes[at + 1] === 0xc0);
    for (let length = 0; length < frame + 10; length++) expect(jpegHeader(bytes.subarray(0, length))).toBeUndefined();
  });

  it('is quiet about every byte that is damaged', async () => {
    const bytes = await beginning(picture().withMetadata({ orientation: 6 }).jpeg());
    for (let at = 2; at < Math.min(bytes.length, 700); at++) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        const damaged = bytes.slice();
        damaged[at] = value;
        const header = jpegHeader(damaged);
        if (header === undefined) continue;
        expect(header.width).toBeGreaterThan(0);
        expect(header.height).toBeGreaterThan(0);
      }
    }
  });
});
