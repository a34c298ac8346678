import { zlib } from '../builtins.js';
import type { Budget } from './limits.js';

/** Deflate cannot expand by more than this. */
const LARGEST_RATIO = 1032;

/**
 * Takes `length` bytes that `packed` is said to give off the budget.
 *
 * @throws as {@link inflate}
 */
export function spendInflated(packed: Uint8Array, length: number, budget: Budget): void {
  if (length > packed.length * LARGEST_RATIO) {
    throw new Error(`${packed.length} bytes are too short to inflate to ${length}`);
  }
  budget.spend('inflatedBytes', length);
}

/**
 * Unpacks a raw deflate stream that is said to give `length` bytes, in memory of its own. That is checked before memory
 * is taken: against what a stream of this length can give, and against `budget`.
 *
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` beyond the budget; a plain Error saying why it cannot be inflated.
 */
export function inflate(packed: Uint8Array, length: number, budget: Budget): Uint8Array<ArrayBuffer> {
  spendInflated(packed, length, budget);
  // In one piece, and one byte more than expected, so that a stream of another length shows.
  const limits = { chunkSize: Math.max(64, length + 1), maxOutputLength: length + 1 };
  const inflated = zlib().inflateRawSync(packed, limits);
  if (inflated.length !== length) throw new Error(`it inflates to ${inflated.length} bytes instead of ${length}`);
  // Node cuts short buffers out of one that all share, which must not go when a session takes the model's memory.
  const isOwn = inflated.buffer.byteLength === limits.chunkSize;
  return isOwn ? (inflated as Uint8Array<ArrayBuffer>) : new Uint8Array(inflated);
}
