import { NeonsenseError } from '../errors.js';
import type { Layer, Model } from '../model/model.js';

/** Memory that a session has taken over, or is about to. Models that share arrays are used up together. */
const consumed = new WeakSet<ArrayBufferLike>();

/**
 * Refuses a model whose weights are no longer there: another session consumed them, or they were transferred away.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` naming the layer.
 */
export function refuseConsumed(model: Model): void {
  for (const [name, layer] of model.layers) {
    for (const array of arraysOf(layer)) {
      if (consumed.has(array.buffer)) {
        throw unusable(name, 'was used up by an earlier session with `consume: true`');
      }
      if (array.byteLength === 0) throw unusable(name, 'was transferred away');
    }
  }
}

/** Marks a model as used up. To be called before anything of it is given away. */
export function markConsumed(model: Model): void {
  for (const layer of model.layers.values()) {
    for (const array of arraysOf(layer)) consumed.add(array.buffer);
  }
}

function arraysOf({ weights, bias, batchNorm }: Layer): ArrayBufferView[] {
  const arrays: ArrayBufferView[] = [weights.data];
  if (weights.type === 'i8') arrays.push(weights.scales);
  if (bias !== undefined) arrays.push(bias);
  if (batchNorm !== undefined) arrays.push(...Object.values(batchNorm));
  return arrays;
}

function unusable(layer: string, why: string): NeonsenseError {
  return new NeonsenseError(
    'ERR_INVALID_ARGUMENT',
    `The memory of \`model\` ${why} (layer ${layer}): read the model again, or leave out \`consume\` where it is needed twice`,
  );
}
