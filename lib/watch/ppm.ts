import { NeonsenseError } from '../errors.js';
import type { ByteSource } from '../stream/chunks.js';

/** Bytes in which a header must have come to its end: three numbers and a comment fit. */
const LONGEST_HEADER = 256;

/** Pixels as `rgb24`, one frame after the other. */
export interface RawFrames {
  readonly width: number;
  readonly height: number;
  readonly pixels: ByteSource;
}

/**
 * Frames that come as PPM pictures, which say their size themselves: the first header is read for it, and all of them
 * are taken out.
 *
 * @returns undefined for a source without a frame
 * @throws {NeonsenseError} `ERR_IMAGE` for bytes that are no PPM
 */
export async function readPpm(source: ByteSource): Promise<RawFrames | undefined> {
  const pieces = source[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  for (;;) {
    const header = /^P6\s(\d{1,5})\s(\d{1,5})\s255\s/.exec(held.toString('latin1', 0, LONGEST_HEADER));
    if (header !== null) {
      const [{ length }, width, height] = [header[0], Number(header[1]), Number(header[2])];
      return { width, height, pixels: withoutHeaders(held, pieces, length, width * height * 3) };
    }
    if (held.length >= LONGEST_HEADER) throw new NeonsenseError('ERR_IMAGE', 'ffmpeg gave something else than frames');
    const { value, done } = await pieces.next();
    if (done === true) return undefined;
    held = Buffer.concat([held, value]);
  }
}

/** `header` bytes are left out before each `body`; they are all the same, since a stream keeps its size. */
async function* withoutHeaders(
  held: Uint8Array,
  pieces: AsyncIterator<Uint8Array>,
  header: number,
  body: number,
): AsyncGenerator<Uint8Array> {
  let toSkip = header;
  let toGive = body;
  try {
    for (let piece: Uint8Array | undefined = held; piece !== undefined; piece = await next(pieces)) {
      for (let at = 0; at < piece.length; ) {
        const skipped = Math.min(toSkip, piece.length - at);
        toSkip -= skipped;
        at += skipped;
        const given = toSkip > 0 ? 0 : Math.min(toGive, piece.length - at);
        if (given > 0) yield piece.subarray(at, at + given);
        at += given;
        toGive -= given;
        if (toGive === 0) [toSkip, toGive] = [header, body];
      }
    }
  } finally {
    await pieces.return?.();
  }
}

async function next(pieces: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  const { value, done } = await pieces.next();
  return done === true ? undefined : value;
}
