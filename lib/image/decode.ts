import type { Metadata } from 'sharp';
import { untilAborted } from '../abort.js';
import { NeonsenseError, shortened, throwIfAborted } from '../errors.js';
import { machineLimit } from '../machineLimit.js';
import type { Release } from './allowance.js';
import { type DecodePlan, type Kept, type PictureHeader, planDecode } from './decodePlan.js';
import { checkImageFormat, HEAD_BYTES, isJpeg } from './format.js';
import { withEndMarker } from './jpegEnd.js';
import { jpegHeader } from './jpegHeader.js';
import { type DecodeLimits, sharedLimits } from './limits.js';
import { loadSharp, type Sharp } from './loadSharp.js';
import { lookUp, PictureFile, readPipe } from './pictureFile.js';
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
  let decoded: Decoded;
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

/** Pixels, and what gives their memory back. */
interface Decoded {
  readonly image: DecodedImage;
  readonly release: Release;
}

/** One picture on its way through the decoder. */
interface Job {
  readonly sharp: Sharp;
  /** How messages call it. */
  readonly name: string;
  readonly atLeast: Kept | undefined;
  readonly limits: DecodeLimits;
  readonly signal: AbortSignal | undefined;
}

async function decode(source: string | Uint8Array, options: DecodeOptions): Promise<Decoded> {
  const { signal, limits = sharedLimits(), atLeast } = options;
  const name = options.name ?? (typeof source === 'string' ? shortened(source) : 'the picture given');
  // A pipe's writer may never come, which is no reason to keep other pictures waiting.
  const found = typeof source === 'string' ? await lookUp(source) : undefined;
  const early = found?.isFIFO() ? await readPipe(source as string, signal) : source;
  const turn = await limits.decoders.take(1, signal);
  let file: PictureFile | undefined;
  try {
    if (typeof early === 'string') file = await PictureFile.open(early, found);
    throwIfAborted(signal);
    const job: Job = { sharp: await loadSharp(), name, atLeast, limits, signal };
    const link = file === undefined || atLeast === undefined ? undefined : linkTo(file);
    const header = link && (jpegHeader(file!.beginning) ?? (await readLinked(link, job)));
    const linked = link === undefined || header === undefined ? undefined : await decodeLinked(link, header, job);
    if (linked !== undefined) return linked;
    const encoded = file === undefined ? (early as Uint8Array) : await file.whole();
    return await decodeBytes(encoded, { own: encoded === source ? 0 : encoded.length, header }, job);
  } finally {
    file?.close();
    turn();
  }
}

/** The name of an open file with options of libvips. */
type Link = (options: string) => string;

/**
 * A JPEG file's name for libvips, which takes in a name by what it divides the sides: sharp has no option for that, and
 * for bytes there is none. Undefined for other files.
 */
function linkTo({ link, beginning }: PictureFile): Link | undefined {
  if (link === undefined || !isJpeg(beginning)) return undefined;
  // libvips remembers pictures by their names, and the next file may have the same.
  return (options) => `${link}[${options}revalidate=true]`;
}

/** Undefined where anything is wrong: what reads the bytes mends it or says what it is. */
async function readLinked(link: Link, { sharp, signal }: Job): Promise<Metadata | undefined> {
  const header = await sharp(link(''), READING)
    .metadata()
    .catch(() => undefined);
  throwIfAborted(signal);
  return header;
}

/** A JPEG file, whole or at a half, a quarter or an eighth; undefined where anything is wrong. */
async function decodeLinked(link: Link, header: PictureHeader, job: Job): Promise<Decoded | undefined> {
  const plan = planDecode(header, job.atLeast, true);
  if (plan.bytes > job.limits.memory.total) return undefined;
  const options = plan.factor === undefined ? '' : `shrink=${plan.factor},`;
  try {
    return await held(plan.bytes, job, () => toPixels(link(options), plan, job));
  } catch {
    throwIfAborted(job.signal);
    return undefined;
  }
}

interface Known {
  /** Bytes that count as the decoder's, because no caller holds them anyway. */
  readonly own: number;
  /** What was read of it already. */
  readonly header: PictureHeader | undefined;
}

async function decodeBytes(encoded: Uint8Array, { own, header }: Known, job: Job): Promise<Decoded> {
  const { name, limits, signal } = job;
  checkImageFormat(encoded.subarray(0, HEAD_BYTES), name);
  checkTiff(encoded, name);
  throwIfAborted(signal);
  const metadata = header ?? (await readHeader(encoded, job));
  const plan = planDecode(metadata, job.atLeast, false);
  const bytes = plan.bytes + own;
  if (bytes > limits.memory.total) throw tooLarge(name, metadata, bytes, limits.memory.total);
  return held(bytes, job, () => mended(encoded, plan, job));
}

/** What `work` makes, with `bytes` of the limits' memory until its user is done. */
async function held(bytes: number, { limits, signal }: Job, work: () => Promise<DecodedImage>): Promise<Decoded> {
  const release = await limits.memory.take(bytes, signal);
  try {
    return { image: await work(), release };
  } catch (error) {
    release();
    throw error;
  }
}

/** Cut-short files and serious errors are refused; the harmless warnings many cameras' files cause are not. */
const READING = { failOn: 'error', limitInputPixels: false, pages: 1 } as const;

async function readHeader(encoded: Uint8Array, { sharp, name }: Job): Promise<Metadata> {
  try {
    return await sharp(encoded, READING).metadata();
  } catch (cause) {
    throw undecodable(name, cause);
  }
}

/** As {@link toPixels}, also for a JPEG that lacks its end. */
async function mended(encoded: Uint8Array, plan: DecodePlan, job: Job): Promise<DecodedImage> {
  try {
    return await toPixels(encoded, plan, job).catch((cause: unknown) => {
      const whole = /premature end/i.test(String(cause)) ? withEndMarker(encoded) : undefined;
      if (whole === undefined) throw cause;
      // Only a warning would tell that the last scan is not whole.
      return toPixels(whole, plan, job, 'warning');
    });
  } catch (cause) {
    throw cause instanceof NeonsenseError ? cause : undecodable(job.name, cause);
  }
}

/** @param encoded bytes, or a name that libvips knows */
async function toPixels(
  encoded: Uint8Array | string,
  plan: DecodePlan,
  { sharp, name }: Job,
  failOn: 'error' | 'warning' = READING.failOn,
): Promise<DecodedImage> {
  const picture = sharp(encoded, { ...READING, failOn })
    .autoOrient()
    .flatten({ background: '#ffffff' });
  if (plan.shrunk !== undefined) picture.resize({ height: plan.shrunk[0], width: plan.shrunk[1], fit: 'fill' });
  const { data, info } = await picture
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if ((info.channels as number) !== 3 || data.length !== info.width * info.height * 3) {
    throw new NeonsenseError('ERR_IMAGE', `${name} decodes to ${info.channels} channels instead of 3`);
  }
  return { data, width: info.width, height: info.height, channels: 3 };
}

/** sharp's message in plain words. What the machine could not give says nothing about the picture. */
function undecodable(name: string, cause: unknown): NeonsenseError {
  const limit = machineLimit(cause);
  if (limit !== undefined) return new NeonsenseError('ERR_IO', `${name} can't be decoded now: ${limit}`, { cause });
  const [why = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n', 1);
  return new NeonsenseError(
    'ERR_IMAGE',
    `${name} can't be decoded: the file is damaged or cut short (${why.trim().slice(0, 200)})`,
    { cause },
  );
}

function tooLarge(name: string, { width, height }: PictureHeader, bytes: number, most: number): NeonsenseError {
  const mib = (count: number): string => `${Math.ceil(count / 2 ** 20)} MiB`;
  return new NeonsenseError(
    'ERR_IMAGE',
    `${name} can't be decoded: it is ${width} x ${height} pixels (${Math.round((width * height) / 1e6)} megapixels), ` +
      `which takes ${mib(bytes)} of memory; at most ${mib(most)} are used. Scale it down first, or raise ` +
      '`decodeMemory`',
  );
}
