import { elementCount } from '../weights.js';
import { unfit } from './layout.js';
import type { StateTensor } from './stateDict.js';

/**
 * The tensor with its axes in another order: axis `i` of the result is axis `axes[i]` of `tensor`.
 *
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` when it has another number of axes.
 */
export function transposed(tensor: StateTensor, axes: readonly number[]): StateTensor {
  const { shape } = tensor;
  if (shape.length !== axes.length) {
    throw unfit(`a tensor has shape [${shape.join(', ')}] instead of ${axes.length} axes`);
  }
  const target = axes.map((axis) => shape[axis]!);
  const strides = axes.map((axis) => elementCount(shape.slice(axis + 1)));
  const read = (): Float32Array => {
    const source = tensor.read();
    const result = new Float32Array(source.length);
    const index = target.map(() => 0);
    for (let i = 0; i < result.length; i++) {
      result[i] = source[index.reduce((offset, at, axis) => offset + at * strides[axis]!, 0)]!;
      for (let axis = target.length - 1; axis >= 0 && ++index[axis]! === target[axis]; axis--) index[axis] = 0;
    }
    return result;
  };
  // It shares no numbers with another tensor any more.
  const { place: _, ...rest } = tensor;
  return { ...rest, shape: target, read };
}
