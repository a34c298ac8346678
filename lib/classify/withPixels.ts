import type { DecodeOptions } from '../image/decode.js';
import type { RawPixels } from '../image/pixels.js';
import { imageSource } from '../image/source.js';

/** How picture files are decoded. */
export type Decoding = Pick<DecodeOptions, 'atLeast' | 'limits'>;

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
  // Not handed over, though nobody else has them: sharp's memory can't be moved, and JavaScript's copy of it, into memory
  // that is new each time, costs more than ours.
  return withDecoded(encoded, { ...named, ...decoding, signal }, async (pixels) => {
    const decode = performance.now() - started;
    return { decode, result: await use(pixels) };
  });
}
