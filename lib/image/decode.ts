import { open } from 'node:fs/promises';
import { describe, NeonsenseError, throwIfAborted } from '../errors.js';
import { checkImageFormat, HEAD_BYTES } from './format.js';
import { withEndMarker } from './jpegEnd.js';
import type { Pixels } from './pixels.js';
import { checkTiff } from './tiff.js';

/** An sRGB picture, `[height, width, 3]`. */
export interface DecodedImage extends Pixels {
  readonly channels: 3;
}

/** Pictures of more pixels are refused before they are decoded: at 3 bytes a pixel this is 300 MB. */
export const MAX_PIXELS = 100_000_000;

type Sharp = typeof import('sharp').default;
let sharpModule: Promise<Sharp> | undefined;

/**
 * The picture decoder: sharp, an optional peer dependency of hundreds of megabytes, which raw pixels do without. Loaded
 * by the first picture that needs it.
 *
 * @throws NeonsenseError `ERR_UNSUPPORTED` where it is not installed or does not load on this platform
 */
export async function loadSharp(): Promise<Sharp> {
  sharpModule ??= import('sharp').then((module) => module.default);
  try {
    return await sharpModule;
  } catch (cause) {
    sharpModule = undefined;
    const missing = /^(ERR_)?MODULE_NOT_FOUND$/.test(String((cause as NodeJS.ErrnoException | null)?.code));
    throw new NeonsenseError(
      'ERR_UNSUPPORTED',
      missing
        ? 'Decoding picture files needs the package sharp, which is not installed: run `npm install sharp`, or pass ' +
            'raw pixels instead'
        : 'Decoding picture files needs the package sharp, which is installed but does not load here ' +
            `(${firstLine(cause)}): run \`npm install --include=optional sharp\` on this machine, or pass raw ` +
            'pixels instead',
      { cause },
    );
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]?.trim() ?? '';
}

/**
 * Decodes a JPEG, PNG, WebP, GIF, AVIF or TIFF picture to 8-bit sRGB. EXIF orientation is applied, embedded colour
 * profiles, CMYK, greyscale and 16 bit are converted, transparency is laid over white, and of an animation or a
 * multi-page file the first picture is taken. Works off the main thread.
 *
 * @param source A file's path, or the encoded bytes, which must not change until the call ends.
 * @param options.name How messages call encoded bytes.
 * @throws NeonsenseError `ERR_NOT_FOUND` and `ERR_IO` for the file, `ERR_IMAGE` for a damaged, foreign or too large
 *   picture, `ERR_UNSUPPORTED` without sharp, `ERR_ABORTED`.
 */
export async function decodeImage(
  source: string | Uint8Array,
  options: { readonly name?: string; readonly signal?: AbortSignal | undefined } = {},
): Promise<DecodedImage> {
  const { signal } = options;
  throwIfAborted(signal);
  const name = options.name ?? (typeof source === 'string' ? source : 'the picture given');
  const encoded = typeof source === 'string' ? await readPictureFile(source) : source;
  checkImageFormat(encoded.subarray(0, HEAD_BYTES), name);
  checkTiff(encoded, name);
  const sharp = await loadSharp();
  throwIfAborted(signal);
  try {
    // Cut-short files and serious errors are refused; the harmless warnings many cameras' files cause are not.
    const { data, info } = await toPixels(sharp, encoded, 'error').catch((cause) => {
      const whole = /premature end/i.test(firstLine(cause)) ? withEndMarker(encoded) : undefined;
      if (whole === undefined) throw cause;
      // Only a warning would tell that the last scan is not whole.
      return toPixels(sharp, whole, 'warning');
    });
    throwIfAborted(signal);
    if ((info.channels as number) !== 3 || data.length !== info.width * info.height * 3) {
      throw new NeonsenseError('ERR_IMAGE', `${name} decodes to ${info.channels} channels instead of 3`);
    }
    return { data, width: info.width, height: info.height, channels: 3 };
  } catch (cause) {
    if (cause instanceof NeonsenseError) throw cause;
    const why = await reason(sharp, encoded, cause);
    throw new NeonsenseError('ERR_IMAGE', `${name} can't be decoded: ${why}`, { cause });
  }
}

function toPixels(
  sharp: Sharp,
  encoded: Uint8Array,
  failOn: 'error' | 'warning',
): Promise<{ data: Buffer; info: import('sharp').OutputInfo }> {
  return sharp(encoded, { failOn, limitInputPixels: MAX_PIXELS, pages: 1 })
    .autoOrient()
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
}

/** sharp's message in plain words, with the size where that is what was wrong. */
async function reason(sharp: Sharp, encoded: Uint8Array, cause: unknown): Promise<string> {
  const message = firstLine(cause);
  if (/pixel limit/i.test(message)) {
    const limit = `at most ${MAX_PIXELS / 1e6} megapixels are decoded; scale the picture down first`;
    try {
      const { width, height } = await sharp(encoded, { limitInputPixels: false }).metadata();
      return `it is ${width} x ${height} pixels (${Math.round((width * height) / 1e6)} megapixels); ${limit}`;
    } catch {
      return `it has too many pixels; ${limit}`;
    }
  }
  return `the file is damaged or cut short (${message})`;
}

/**
 * Reads a picture file, but of a file that is no picture only the first bytes, however large it is.
 *
 * @throws NeonsenseError `ERR_NOT_FOUND`, `ERR_IO`, `ERR_IMAGE`
 */
async function readPictureFile(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, 'r');
    try {
      const head = Buffer.alloc(HEAD_BYTES);
      let filled = 0;
      while (filled < HEAD_BYTES) {
        const { bytesRead } = await file.read(head, filled, HEAD_BYTES - filled, null);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      checkImageFormat(head.subarray(0, filled), path);
      // Continues where the head ended, which also works for pipes.
      const rest = await file.readFile();
      return Buffer.concat([head.subarray(0, filled), rest]);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof NeonsenseError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new NeonsenseError('ERR_NOT_FOUND', `${path} does not exist`, { cause });
    }
    if (code === 'EISDIR') {
      throw new NeonsenseError('ERR_IO', `${path} is a directory; expected a picture file`, { cause });
    }
    if (code === 'ERR_INVALID_ARG_VALUE') {
      const message = `Expected a file path but received ${describe(path)}`;
      throw new NeonsenseError('ERR_INVALID_ARGUMENT', message, { cause });
    }
    throw new NeonsenseError('ERR_IO', `${path} can't be read: ${firstLine(cause)}`, { cause });
  }
}
