import { NeonsenseError } from '../errors.js';

/** As many leading bytes as {@link checkImageFormat} wants to see. */
export const HEAD_BYTES = 64;

/** Extensions of the picture formats read, lower case, without the dot. */
export const IMAGE_EXTENSIONS: readonly string[] = [
  'jpg',
  'jpeg',
  'jpe',
  'jfif',
  'png',
  'webp',
  'gif',
  'avif',
  'tif',
  'tiff',
];

const FORMATS = 'JPEG, PNG, WebP, GIF, AVIF or TIFF';

/** What the first bytes of well-known formats that are not read say, so that the message can name them. */
const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [/^.{4}ftyp(heic|heix|hevc|hevx|heim|heis)/s, 'a HEIC picture'],
  [/^%PDF/, 'a PDF document'],
  [/^BM/, 'a BMP picture'],
  [/^(\xef\xbb\xbf)?\s*<svg/, 'an SVG drawing'],
  [/^(\xff\x0a|\0\0\0\x0cJXL )/, 'a JPEG XL picture'],
  [/^\0\0\0\x0cjP/, 'a JPEG 2000 picture'],
  [/^PK\x03\x04/, 'a zip archive'],
  [/^\x1f\x8b/, 'a gzip archive'],
];

/**
 * Checks by its first bytes (never by its name) that a file is of a format we read. Other formats a picture library
 * may know are kept away from it: each is one more parser for hostile input.
 *
 * @param head The first {@link HEAD_BYTES} bytes, or all there are.
 * @param name How messages call the file.
 * @throws NeonsenseError `ERR_IMAGE`
 */
export function checkImageFormat(head: Uint8Array, name: string): void {
  if (head.length === 0) throw new NeonsenseError('ERR_IMAGE', `${name} is empty (0 bytes)`);
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, HEAD_BYTES)).toString('latin1');
  if (/^(\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|II[*+]\0|MM\0[*+])/.test(text)) return;
  if (/^RIFF.{4}WEBP/s.test(text) || isAvif(text)) return;
  const foreign = FOREIGN.find(([pattern]) => pattern.test(text));
  const found = foreign === undefined ? `it starts with ${JSON.stringify(printable(text))}` : `it is ${foreign[1]}`;
  throw new NeonsenseError('ERR_IMAGE', `${name} is not a ${FORMATS} picture: ${found}`);
}

/** An ISO media file whose major or compatible brands name AVIF (ISO/IEC 23008-12, av1-avif). */
function isAvif(text: string): boolean {
  if (text.slice(4, 8) !== 'ftyp') return false;
  const boxEnd = Math.min(text.length, Buffer.from(text, 'latin1').readUInt32BE(0));
  for (let at = 8; at + 4 <= boxEnd; at += 4) {
    const brand = text.slice(at, at + 4);
    if (at !== 12 && (brand === 'avif' || brand === 'avis')) return true;
  }
  return false;
}

function printable(text: string): string {
  return text.slice(0, 12).replace(/[^\x20-\x7e]/g, '.');
}
