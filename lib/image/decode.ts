import type { Metadata } from 'sharp';
import { untilAborted } from '../abort.js';
import { NeonsenseError, shortened, throwIfAborted } from '../errors.js';
import { machineLimit } from '../machineLimit.js';
import type { Release } from './allowance.js';
import { type DecodePlan, type Kept, planDecode } from './decodePlan.js';
import { checkImageFormat, HEAD_BYTES } from './format.js';
import { withEndMarker } from './jpegEnd.js';
import { type DecodeLimits, sharedLimits } from './limits.js';
import { loadSharp, type Sharp } from './loadSharp.js';
import { isPipe, readPictureFile } from './pictureFile.js';
import type { DecodedImage } from './pixels.js';
import { checkTiff } from './tiff.js';

export interface DecodeOptions {
  /** How messages call encoded bytes. */
  readonly name?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What has to be kept of the picture: more may be left out where that makes decoding cheaper. Default: every pixel. */
  readonly atLeast?: Kept | undefined;
  /** What all decodes of these limits take together. Default: limits that all of this thread share. */
  readonly limits?: DecodeLimits | undefined;
}

/**
 * Decodes a JPEG, PNG, WebP, GIF, AVIF or TIFF picture to 8-bit sRGB. EXIF orientation is applied, embedded colour
 * profiles, CMYK, greyscale and 16 bit are converted, transparency is laid over white, and of an animation or a
 * multi-page file the first picture is taken. Works off the main thread.
 *
 * @param source A file's path, or the encoded bytes, which must not change until the call ends.
 * @throws {NeonsenseError} `ERR_NOT_FOUND` and `ERR_IO` for the file and the machine, `ERR_IMAGE` for a damaged, foreign or
 *   too large picture, `ERR_UNSUPPORTED` without sharp, `ERR_ABORTED`.
 */
export function decodeImage(source: string | Uint8Array, options: DecodeOptions = {}): Promise<DecodedImage> {
  return withDecoded(source, options, async (image) => image);
}

/**
 * As {@link decodeImage}, for a picture that is needed only until `use` is done: until then its memory counts against the
 * limits, so that more decodes wait instead of piling up pixels.
 *
 * @throws {NeonsenseError} as {@link decodeImage}, and what `use` throws
 */
export async function withDecoded<T>(
  source: string | Uint8Array,
  options: DecodeOptions,
  use: (image: DecodedImage) => Promise<T>,
): Promise<T> {
  const { signal } = options;
  throwIfAborted(signal);
  const decoding = decode(source, options);
  let decoded: { readonly image: DecodedImage; readonly release: Release };
  try {
    decoded = await untilAborted(signal, decoding);
  } catch (error) {
    // What was aborted ends in the background; only then its memory is free.
    decoding.then(
      ({ release }) => release(),
      () => undefined,
    );
    throw error;
  }
  try {
    return await use(decoded.image);
  } finally {
    decoded.release();
  }
}

async function decode(
  source: string | Uint8Array,
  options: DecodeOptions,
): Promise<{ readonly image: DecodedImage; readonly release: Release }> {
  const { signal, limits = sharedLimits(), atLeast } = options;
  const name = options.name ?? (typeof source === 'string' ? shortened(source) : 'the picture given');
  // A pipe's writer may never come, which is no reason to keep other pictures waiting.
  const early = typeof source === 'string' && (await isPipe(source)) ? await readPictureFile(source, signal) : source;
  const turn = await limits.decoders.take(1, signal);
  try {
    const encoded = typeof early === 'string' ? await readPictureFile(early, signal) : early;
    checkImageFormat(encoded.subarray(0, HEAD_BYTES), name);
    checkTiff(encoded, name);
    throwIfAborted(signal);
    const sharp = await loadSharp();
    const metadata = await readHeader(sharp, encoded, name);
    const plan = planDecode(metadata, atLeast);
    const bytes = plan.bytes + (early === source && typeof source !== 'string' ? 0 : encoded.length);
    if (bytes > limits.memory.total) throw tooLarge(name, metadata, bytes, limits.memory.total);
    const release = await limits.memory.take(bytes, signal);
    try {
      return { image: await toPixels(sharp, encoded, plan, name), release };
    } catch (error) {
      release();
      throw error;
    }
  } finally {
    turn();
  }
}

/** Cut-short files and serious errors are refused; the harmless warnings many cameras' files cause are not. */
const READING = { failOn: 'error', limitInputPixels: false, pages: 1 } as const;

async function readHeader(sharp: Sharp, encoded: Uint8Array, name: string): Promise<Metadata> {
  try {
    return await sharp(encoded, READING).metadata();
  } catch (cause) {
    throw undecodable(name, cause);
  }
}

async function toPixels(sharp: Sharp, encoded: Uint8Array, plan: DecodePlan, name: string): Promise<DecodedImage> {
  const read = (bytes: Uint8Array, failOn: 'error' | 'warning'): Promise<{ data: Buffer; info: OutputInfo }> => {
    const picture = sharp(bytes, { ...READING, failOn })
      .autoOrient()
      .flatten({ background: '#ffffff' });
    if (plan.shrunk !== undefined) picture.resize({ height: plan.shrunk[0], width: plan.shrunk[1], fit: 'fill' });
    return picture.toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  };
  try {
    const { data, info } = await read(encoded, READING.failOn).catch((cause: unknown) => {
      const whole = /premature end/i.test(String(cause)) ? withEndMarker(encoded) : undefined;
      if (whole === undefined) throw cause;
      // Only a warning would tell that the last scan is not whole.
      return read(whole, 'warning');
    });
    if ((info.channels as number) !== 3 || data.length !== info.width * info.height * 3) {
      throw new NeonsenseError('ERR_IMAGE', `${shortened(name)} decodes to ${info.channels} channels instead of 3`);
    }
    return { data, width: info.width, height: info.height, channels: 3 };
  } catch (cause) {
    throw cause instanceof NeonsenseError ? cause : undecodable(name, cause);
  }
}

type OutputInfo = import('sharp').OutputInfo;

/** sharp's message in plain words. What the machine could not give says nothing about the picture. */
function undecodable(name: string, cause: unknown): NeonsenseError {
  const limit = machineLimit(cause);
  if (limit !== undefined)
    return new NeonsenseError('ERR_IO', `${shortened(name)} can't be decoded now: ${limit}`, { cause });
  const [why = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n', 1);
  return new NeonsenseError(
    'ERR_IMAGE',
    `${shortened(name)} can't be decoded: the file is damaged or cut short (${why.trim().slice(0, 200)})`,
    { cause },
  );
}

function tooLarge(name: string, { width, height }: Metadata, bytes: number, most: number): NeonsenseError {
  const mib = (count: number): string => `${Math.ceil(count / 2 ** 20)} MiB`;
  return new NeonsenseError(
    'ERR_IMAGE',
    `${shortened(name)} can't be decoded: it is ${width} x ${height} pixels (${Math.round((width * height) / 1e6)} megapixels), ` +
      `which takes ${mib(bytes)} of memory; at most ${mib(most)} are used. Scale it down first, or raise ` +
      '`decodeMemory`',
  );
}
