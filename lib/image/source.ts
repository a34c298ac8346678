import { examinedAsync, invalidArgument, NeonsenseError } from '../errors.js';
import { checkPixels, type RawPixels } from './pixels.js';

/** What `sharp(...).raw().toBuffer({ resolveWithObject: true })` gives; with another format than raw, an encoded picture. */
export interface SharpOutput {
  readonly data: Uint8Array;
  readonly info: {
    readonly format: string;
    readonly width: number;
    readonly height: number;
    readonly channels: number;
  };
}

/** A canvas' pixels: RGBA. */
export interface CanvasPixels {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/**
 * A picture: a file's path or `file:` URL; an encoded picture's bytes (JPEG, PNG, WebP, GIF, AVIF, TIFF) in any of the
 * usual containers; or raw pixels, ours, a canvas' or sharp's.
 */
export type ImageInput = string | URL | Uint8Array | ArrayBuffer | Blob | RawPixels | CanvasPixels | SharpOutput;

/** A picture in one of the two forms that are worked on. */
export type ImageSource =
  | { readonly encoded: string | Uint8Array; readonly pixels?: undefined }
  | { readonly pixels: RawPixels };

/** By their tags, not their classes: they may come from another realm, such as a test runner's. */
const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);

/**
 * Brings a picture to one of the two forms that are worked on.
 *
 * @param name How messages call it.
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`, `ERR_IO` for a Blob that can't be read
 */
export function imageSource(image: unknown, name: string): Promise<ImageSource> {
  return examinedAsync(name, EXPECTED, image, () => sourceOf(image, name));
}

const EXPECTED = 'a file path, the bytes of an encoded picture, or pixels { data, width, height, channels }';

async function sourceOf(image: unknown, name: string): Promise<ImageSource> {
  if (typeof image === 'string' ? image !== '' : image instanceof Uint8Array) {
    return { encoded: image as string | Uint8Array };
  }
  switch (tagOf(image)) {
    case 'URL':
      return { encoded: await pathOf(image as URL, name) };
    case 'ArrayBuffer':
      return { encoded: new Uint8Array(image as ArrayBuffer) };
    case 'Blob':
    case 'File':
      return { encoded: await bytesOf(image as Blob, name) };
  }
  if (typeof image !== 'object' || image === null || !('data' in image)) {
    throw invalidArgument(name, EXPECTED, image);
  }
  if ('info' in image) return fromSharp(image as unknown as SharpOutput, name);
  const { data, width, height, channels, format } = image as unknown as Record<string, unknown>;
  if (channels === undefined && format === undefined && tagOf(data) === 'Uint8ClampedArray') {
    return { pixels: checkPixels({ data, width, height, channels: 4 }, name) };
  }
  return { pixels: checkPixels(image, name) };
}

async function pathOf(url: URL, name: string): Promise<string> {
  if (url.protocol !== 'file:') {
    throw invalidArgument(name, 'a file: URL (fetch others, and give what `arrayBuffer()` brings)', url.href);
  }
  const { fileURLToPath } = await import('node:url');
  try {
    return fileURLToPath(url);
  } catch {
    throw invalidArgument(name, 'a file: URL of this machine', url.href);
  }
}

async function bytesOf(blob: Blob, name: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (cause) {
    throw new NeonsenseError('ERR_IO', `\`${name}\` can't be read: ${(cause as Error).message}`, { cause });
  }
}

function fromSharp({ data, info }: SharpOutput, name: string): ImageSource {
  if (typeof info !== 'object' || info === null) throw invalidArgument(`${name}.info`, "sharp's info", info);
  const { format, width, height, channels } = info;
  if (format !== 'raw' && data instanceof Uint8Array) return { encoded: data };
  return { pixels: checkPixels({ data, width, height, channels }, name) };
}
