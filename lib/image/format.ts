import { extname } from 'node:path';
import { NeonsenseError, quoted, shortened } from '../errors.js';

/** As many leading bytes as {@link checkImageFormat} wants to see. */
export const HEAD_BYTES = 512;

/** Those of JPEG files. */
const JPEG_EXTENSIONS: readonly string[] = ['jpg', 'jpeg', 'jpe', 'jfif'];

/** Extensions of the picture formats read, lower case, without the dot. */
export const IMAGE_EXTENSIONS: readonly string[] = [...JPEG_EXTENSIONS, 'png', 'webp', 'gif', 'avif', 'tif', 'tiff'];

function hasExtension(path: string, extensions: readonly string[]): boolean {
  return extensions.includes(extname(path).slice(1).toLowerCase());
}

/** Whether a path is that of a picture, by its extension. */
export function isPicturePath(path: string): boolean {
  return hasExtension(path, IMAGE_EXTENSIONS);
}

/** Whether a picture may be a JPEG file: by its first bytes, or before it has been opened by its path. */
export function mayBeJpeg(encoded: string | Uint8Array): boolean {
  return typeof encoded === 'string' ? hasExtension(encoded, JPEG_EXTENSIONS) : isJpeg(encoded);
}

const FORMATS = 'JPEG, PNG, WebP, GIF, AVIF or TIFF';

/** What the first bytes of well-known formats that are not read say, so that the message can name them. */
const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [/^%PDF/, 'it is a PDF document'],
  [/^BM/, 'it is a BMP picture'],
  [/^\0\0[\x01\x02]\0/, 'it is an icon or cursor'],
  [/^<svg[\s>]/i, 'it is an SVG drawing'],
  [/^<html[\s>]/i, 'it is a web page'],
  [/^<[\w?!]/, 'it is an XML document or a web page'],
  [/^(\xff\x0a|\0\0\0\x0cJXL )/, 'it is a JPEG XL picture'],
  [/^(\0\0\0\x0cjP|\xff\x4f\xff\x51)/, 'it is a JPEG 2000 picture'],
  [/^8BPS/, 'it is a Photoshop document'],
  [/^(IIRO|IIRS|MMOR|IIU\0|FUJIFILMCCD-RAW)/, 'it is the raw picture of a camera'],
  [/^\x1a\x45\xdf\xa3/, 'it is a Matroska or WebM video'],
  [/^version https:\/\/git-lfs/, 'it is a Git LFS pointer, not the file itself: run `git lfs pull`'],
  [/^PK\x03\x04/, 'it is a zip archive'],
  [/^\x1f\x8b/, 'it is a gzip archive'],
];

/** Brands of ISO media files (ISO/IEC 14496-12), major or compatible. */
const HEIF_BRANDS = /^(hei[cmsx]|hev[cmsx]|mif[12]|msf1|miaf|MiHE)$/;

/**
 * Checks by its first bytes (never by its name) that a file is of a format we read. Other formats a picture library
 * may know are kept away from it: each is one more parser for hostile input.
 *
 * @param head The first {@link HEAD_BYTES} bytes, or all there are.
 * @param name How messages call the file.
 * @throws {NeonsenseError} `ERR_IMAGE`
 */
export function checkImageFormat(head: Uint8Array, name: string): void {
  if (head.length === 0) throw new NeonsenseError('ERR_IMAGE', `${shortened(name)} is empty (0 bytes)`);
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, HEAD_BYTES)).toString('latin1');
  const brands = brandsOf(text);
  const isRead =
    /^(\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|(II[*+]\0|MM\0[*+])(?!.{4}CR)|RIFF.{4}WEBP)/s.test(text) ||
    brands.some((brand) => brand === 'avif' || brand === 'avis');
  if (!isRead)
    throw new NeonsenseError('ERR_IMAGE', `${shortened(name)} is not a ${FORMATS} picture: ${whatItIs(text, brands)}`);
}

/** Whether a picture's first bytes are those of a JPEG. */
export function isJpeg(head: Uint8Array): boolean {
  return head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff;
}

function whatItIs(text: string, brands: readonly string[]): string {
  if (brands.some((brand) => HEIF_BRANDS.test(brand))) return 'it is a HEIC picture: save it as JPEG';
  if (brands.includes('crx ') || /^II[*]\0.{4}CR/s.test(text)) return 'it is the raw picture of a Canon camera';
  if (brands.length > 0) return 'it is a video (ISO media file)';
  const content = withoutProlog(text);
  const foreign = FOREIGN.find(([pattern]) => pattern.test(content));
  if (foreign !== undefined) return foreign[1];
  const start = text.search(/\xff\xd8\xff/);
  if (start > 0) return `${start} bytes of something else stand before its JPEG: cut them off`;
  return `it starts with ${quoted(printable(text))}`;
}

/** What follows the declaration, comments and document type that XML and HTML may begin with. */
function withoutProlog(text: string): string {
  let rest = text.replace(/^\xef\xbb\xbf/, '');
  for (;;) {
    const trimmed = rest.trimStart();
    const end = /^<\?xml/i.test(trimmed)
      ? '?>'
      : trimmed.startsWith('<!--')
        ? '-->'
        : /^<!doctype/i.test(trimmed)
          ? '>'
          : undefined;
    if (end === undefined) return trimmed.startsWith('<') ? trimmed : rest;
    const at = trimmed.indexOf(end);
    if (at < 0) return trimmed;
    rest = trimmed.slice(at + end.length);
  }
}

/** The brands in an ISO media file's first box, major and compatible, without the version between them. */
function brandsOf(text: string): string[] {
  if (text.slice(4, 8) !== 'ftyp') return [];
  const boxEnd = Math.min(text.length, Buffer.from(text.slice(0, 4), 'latin1').readUInt32BE(0));
  const brands: string[] = [text.slice(8, 12)];
  for (let at = 16; at + 4 <= boxEnd; at += 4) brands.push(text.slice(at, at + 4));
  return brands;
}

function printable(text: string): string {
  return text.slice(0, 12).replace(/[^\x20-\x7e]/g, '.');
}
