import { invalidArgument, NeonsenseError } from '../errors.js';

/** Where frames come from: a Readable, or anything else that gives bytes in pieces of any length. */
export type ByteSource = AsyncIterable<Uint8Array>;

/**
 * Frames of `size` bytes each, whatever the pieces they came in. Every frame has memory of its own, taken from `recycled`
 * while there is some, so that a stream at rest allocates nothing.
 *
 * @throws {NeonsenseError} `ERR_IMAGE` when the source ends within a frame; `ERR_INVALID_ARGUMENT` for pieces that are
 * not bytes.
 */
export async function* rawFrames(
  source: ByteSource,
  size: number,
  recycled: Uint8Array[] = [],
): AsyncGenerator<Uint8Array> {
  let frame = recycled.pop() ?? new Uint8Array(size);
  let filled = 0;
  for await (const piece of source) {
    checkPiece(piece);
    let at = 0;
    while (at < piece.length) {
      const count = Math.min(piece.length - at, size - filled);
      frame.set(piece.subarray(at, at + count), filled);
      filled += count;
      at += count;
      if (filled === size) {
        yield frame;
        frame = recycled.pop() ?? new Uint8Array(size);
        filled = 0;
      }
    }
  }
  if (filled > 0) {
    throw new NeonsenseError(
      'ERR_IMAGE',
      `The stream ended within a frame: ${filled} of ${size} bytes. Format, width and height may be others than the source's`,
    );
  }
}

const SOI = 0xd8;
const EOI = 0xd9;

/**
 * The JPEGs of a Motion JPEG stream: from each start-of-image marker to the end-of-image marker that belongs to it.
 * What lies between two pictures (the headers of a multipart HTTP answer) is passed over. Markers inside segments
 * (a thumbnail in Exif) do not count, since segments are skipped by their length.
 *
 * @param mostBytes Bytes a picture may have; a longer one is given up and the next one looked for.
 */
export async function* jpegFrames(source: ByteSource, mostBytes: number): AsyncGenerator<Uint8Array> {
  let held: Uint8Array = new Uint8Array(0);
  const scanner = new JpegScanner();
  for await (const piece of source) {
    checkPiece(piece);
    held = held.length === 0 ? piece : concatenate(held, piece);
    for (;;) {
      const end = scanner.scan(held);
      // Everything before the picture that has begun can go.
      const { start } = scanner;
      if (end !== undefined) {
        yield held.slice(start, end);
        held = held.subarray(end);
        scanner.reset();
        continue;
      }
      held = held.slice(start);
      scanner.shift(start);
      if (held.length > mostBytes) {
        held = held.slice(2);
        scanner.reset();
        continue;
      }
      break;
    }
  }
}

/** Finds one JPEG in bytes that grow at their end, without looking at any byte twice. */
class JpegScanner {
  /** Where the picture begins, or what may be its first byte. */
  start = 0;
  #at = 0;
  #inside = false;

  reset(): void {
    this.start = 0;
    this.#at = 0;
    this.#inside = false;
  }

  /** `count` bytes were taken off the front. */
  shift(count: number): void {
    this.start -= count;
    this.#at -= count;
  }

  /** The end of the picture, or undefined until it has come. */
  scan(bytes: Uint8Array): number | undefined {
    if (!this.#inside && !this.#findStart(bytes)) return undefined;
    for (;;) {
      const marker = bytes.indexOf(0xff, this.#at);
      if (marker < 0) {
        this.#at = bytes.length;
        return undefined;
      }
      this.#at = marker;
      if (marker + 1 >= bytes.length) return undefined;
      const code = bytes[marker + 1]!;
      if (code === 0xff) {
        this.#at = marker + 1;
      } else if (code === EOI) {
        return marker + 2;
      } else if (code === 0 || (code >= 0xd0 && code <= 0xd8) || code === 1) {
        // A stuffed byte, a restart marker: no length follows.
        this.#at = marker + 2;
      } else {
        if (marker + 3 >= bytes.length) return undefined;
        const length = bytes[marker + 2]! * 256 + bytes[marker + 3]!;
        if (marker + 2 + length > bytes.length) return undefined;
        this.#at = marker + 2 + length;
      }
    }
  }

  #findStart(bytes: Uint8Array): boolean {
    for (let at = bytes.indexOf(0xff, this.#at); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
      this.start = at;
      this.#at = at;
      if (at + 2 >= bytes.length) return false;
      if (bytes[at + 1] === SOI && bytes[at + 2] === 0xff) {
        this.#inside = true;
        this.#at = at + 2;
        return true;
      }
    }
    this.start = bytes.length;
    this.#at = bytes.length;
    return false;
  }
}

function concatenate(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

function checkPiece(piece: unknown): asserts piece is Uint8Array {
  if (!(piece instanceof Uint8Array)) throw invalidArgument('source', 'a stream of bytes (no encoding set)', piece);
}
