import { NeonsenseError, shortened, throwIfAborted } from '../errors.js';
import { atLeast } from '../image/atLeast.js';
import { withDecoded } from '../image/decode.js';
import type { Model } from '../model/model.js';
import { createSession, type Session } from '../runtime/session.js';
import type { Photo } from './photos.js';
import type { Samples } from './samples.js';
import { keptOfViews, VIEWS, viewsOf } from './views.js';

/** Feature vectors of photos and of their views. */
export interface Extracted extends Samples {
  /** The photo each sample is a view of, 0 for the first; the first sample of a photo is the photo as it is. */
  readonly pictures: Int32Array;
  /** Files in the order of `pictures`. */
  readonly files: readonly string[];
  readonly unreadable: readonly { readonly file: string; readonly reason: string }[];
}

export interface ExtractOptions {
  /** Photos worked on at a time, each in a session of one thread. */
  readonly atOnce: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Runs every photo and its views through the network as far as the pooled features. Photos that can't be decoded are
 * left out and listed.
 *
 * @throws {NeonsenseError} `ERR_DATASET` when no photo of a class could be read, `ERR_ABORTED`, what `createSession`
 * throws
 */
export async function extractFeatures(
  base: Model,
  photos: readonly Photo[],
  labels: readonly string[],
  { atOnce, signal, onProgress }: ExtractOptions,
): Promise<Extracted> {
  const width = base.architecture.last;
  const vectors: (Float32Array | undefined)[] = new Array(photos.length);
  const unreadable: { file: string; reason: string }[] = [];
  const sessions: Session[] = [];
  let next = 0;
  let done = 0;
  const work = async (session: Session): Promise<void> => {
    while (next < photos.length) {
      throwIfAborted(signal);
      const index = next++;
      const { file } = photos[index]!;
      try {
        vectors[index] = await vectorsOf(base, session, file, signal);
      } catch (error) {
        if (!(error instanceof NeonsenseError) || error.code === 'ERR_ABORTED') throw error;
        unreadable.push({ file, reason: error.message });
      }
      onProgress?.(++done, photos.length);
    }
  };
  try {
    for (let i = 0; i < atOnce; i++) sessions.push(await createSession(base, { threads: 1, outputs: ['pool'] }));
    await Promise.all(sessions.map(work));
  } finally {
    await Promise.all(sessions.map((session) => session.dispose()));
  }

  const read = [...photos.keys()].filter((index) => vectors[index] !== undefined);
  for (const [label, name] of labels.entries()) {
    if (read.some((index) => photos[index]!.label === label)) continue;
    throw new NeonsenseError(
      'ERR_DATASET',
      `None of the photos of ${shortened(name)} could be read: ${unreadable[0]?.reason ?? 'there are none'}`,
    );
  }
  const features = new Float32Array(read.length * VIEWS * width);
  read.forEach((index, picture) => {
    features.set(vectors[index]!, picture * VIEWS * width);
  });
  return {
    features,
    width,
    classes: labels.length,
    labels: Int32Array.from({ length: read.length * VIEWS }, (_, i) => photos[read[Math.floor(i / VIEWS)]!]!.label),
    pictures: Int32Array.from({ length: read.length * VIEWS }, (_, i) => Math.floor(i / VIEWS)),
    files: read.map((index) => photos[index]!.file),
    unreadable,
  };
}

/** Features of a photo's views, one after the other. */
async function vectorsOf(
  { architecture, preprocessing }: Model,
  session: Session,
  file: string,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const vectors = new Float32Array(VIEWS * architecture.last);
  const decoding = { signal, atLeast: keptOfViews(atLeast(preprocessing)) };
  await withDecoded(file, decoding, async (pixels) => {
    for (const [view, seen] of viewsOf(pixels).entries()) {
      const at = view * architecture.last;
      await session.runImage(seen, { output: vectors.subarray(at, at + architecture.last) });
    }
  });
  return vectors;
}
