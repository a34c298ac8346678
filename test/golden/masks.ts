import { createHash } from 'node:crypto';
import type { PruneGolden } from './files.js';

/** SHA-256 of flags packed eight to a byte, the first in the lowest bit: how the prune goldens fingerprint a mask. */
export function flagsSha256(flags: ArrayLike<boolean>): string {
  const bytes = new Uint8Array(Math.ceil(flags.length / 8));
  for (let i = 0; i < flags.length; i++) if (flags[i]) bytes[i >> 3]! |= 1 << (i & 7);
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * Exactly which weights torch masked: all below the threshold, and of those equal to it the ones the file names.
 *
 * @param weight The layer's weights before pruning, row-major.
 */
export function torchMask(layer: PruneGolden['layers'][number], weight: Float32Array): boolean[] {
  const tieBits = Buffer.from(layer.tieBits, 'base64');
  let ties = 0;
  return Array.from(weight, (w) => {
    const magnitude = Math.abs(w);
    if (magnitude !== layer.threshold) return magnitude < layer.threshold;
    const tie = ties++;
    return ((tieBits[tie >> 3]! >> (tie & 7)) & 1) === 1;
  });
}
