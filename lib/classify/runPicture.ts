import { atLeast, averages, DETAIL } from '../image/atLeast.js';
import type { DecodeOptions } from '../image/decode.js';
import { mayBeJpeg } from '../image/format.js';
import { sharedLimits } from '../image/limits.js';
import { imageSource } from '../image/source.js';
import type { Preprocessing } from '../model/preprocessing.js';
import type { ImageRun, RunOptions, Session } from '../runtime/session.js';

/** How picture files are decoded. */
export interface Decoding extends Pick<DecodeOptions, 'atLeast' | 'limits'> {
  /** Whether the engine may read JPEG files itself: where pixels are averaged and need not be exact. */
  readonly readsJpeg: boolean;
}

/** That of `decode: 'fast'`: no more than a model with this preprocessing can tell apart. */
export function fastDecoding(preprocessing: Preprocessing): Decoding {
  return { atLeast: atLeast(preprocessing), readsJpeg: averages(preprocessing) };
}

/** What runs the network on a picture. */
export type Runner = Pick<Session, 'runImage'> & Partial<Pick<Session, 'runJpeg'>>;

/**
 * Runs the network on a picture of any form and holds its pixels no longer than that takes.
 *
 * @param name How messages call the picture.
 * @param choose says what runs it, once it is there
 * @returns what the network gave, and the milliseconds decoding took, waiting included, 0 for raw pixels
 * @throws {NeonsenseError} what `imageSource`, `withDecoded` and the runner throw
 */
export async function runPicture(
  image: unknown,
  name: string,
  decoding: Decoding,
  signal: AbortSignal | undefined,
  choose: () => Promise<Runner>,
): Promise<{ readonly decode: number; readonly result: ImageRun }> {
  const options: RunOptions = signal === undefined ? {} : { signal };
  const source = await imageSource(image, name);
  if (source.pixels !== undefined) {
    const runner = await choose();
    return { decode: 0, result: await runner.runImage(source.pixels, options) };
  }
  const { encoded } = source;
  const started = performance.now();
  if (decoding.readsJpeg && mayBeJpeg(encoded)) {
    const runner = await choose();
    const limits = { ...DETAIL, bytes: (decoding.limits ?? sharedLimits()).memory.total };
    const result = await runner.runJpeg?.(encoded, limits, options);
    if (result !== undefined) {
      const { preprocess, inference } = result.ms;
      return { decode: performance.now() - started - preprocess - inference, result };
    }
  }
  const named = typeof encoded === 'string' ? {} : { name: `\`${name}\`` };
  // Not loaded by those who need no other decoder.
  const { withDecoded } = await import('../image/decode.js');
  // Not handed over, though nobody else has them: sharp's memory can't be moved, and JavaScript's copy of it, into memory
  // that is new each time, costs more than ours.
  return withDecoded(encoded, { ...named, ...decoding, signal }, async (pixels) => {
    const decode = performance.now() - started;
    const runner = await choose();
    return { decode, result: await runner.runImage(pixels, options) };
  });
}
