import type { DecodeOptions } from '../image/decode.js';
import type { RawPixels } from '../image/pixels.js';
import { imageSource } from '../image/source.js';

/** How picture files are decoded. */
export type Decoding = Pick<DecodeOptions, 'atLeast' | 'limits'>;

/**
 * Bytes of a picture from which on its memory is handed over. Below, a copy costs less: memory that is given back after
 * each picture has to be got again, page by page, for the next.
 */
const HANDED_OVER = 4 * 2 ** 20;

/**
 * Gives a picture's pixels to `use` and holds them no longer than that.
 *
 * @param name How messages call the picture.
 * @returns what `use` gave, and the milliseconds decoding took, 0 for raw pixels
 * @throws {NeonsenseError} what `imageSource` and `withDecoded` throw, and what `use` throws
 */
export async function withPixels<T>(
  image: unknown,
  name: string,
  decoding: Decoding,
  signal: AbortSignal | undefined,
  use: (pixels: RawPixels) => Promise<T>,
): Promise<{ readonly decode: number; readonly result: T }> {
  const source = await imageSource(image, name);
  if (source.pixels !== undefined) return { decode: 0, result: await use(source.pixels) };
  const { encoded } = source;
  const named = typeof encoded === 'string' ? {} : { name: `\`${name}\`` };
  // Not loaded by those who only give raw pixels.
  const { withDecoded } = await import('../image/decode.js');
  const started = performance.now();
  return withDecoded(encoded, { ...named, ...decoding, signal }, async (pixels) => {
    const decode = performance.now() - started;
    return { decode, result: await use({ ...pixels, transfer: pixels.data.length > HANDED_OVER }) };
  });
}
