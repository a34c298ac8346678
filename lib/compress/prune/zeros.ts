import type { Weights } from '../../model/model.js';
import { sparsityOf } from '../../model/weights.js';

/** The stored number that stands for zero. */
function storedZero(weights: Weights): number {
  return weights.type === 'u8' ? weights.zeroPoint : 0;
}

/** How many weights are exactly zero. */
export function countZeros(weights: Weights): number {
  return Math.round(sparsityOf(weights) * weights.data.length);
}

/**
 * Weights with zeros where `remove` is 1 and every other number as it was, bit for bit.
 *
 * @param remove one entry per weight
 */
export function withZeros(weights: Weights, remove: Uint8Array): Weights {
  const zero = storedZero(weights);
  const data = weights.data.slice();
  for (let i = 0; i < remove.length; i++) if (remove[i] === 1) data[i] = zero;
  return { ...weights, data } as Weights;
}
