import type { Preprocessing } from '../model/preprocessing.js';
import type { Kept } from './decodePlan.js';
import { fitOf } from './fit.js';

/**
 * How much of a picture a model's preprocessing can tell apart, with room to spare: twice the pixels it resizes the picture
 * to, so that there is still something to filter, or eight for each cell it averages, whichever is less. Undefined for a
 * preprocessing that neither averages nor filters: it picks single pixels, which have to be the picture's own.
 */
export function atLeast(preprocessing: Preprocessing): Kept | undefined {
  const { reduce, interpolation, antialias } = preprocessing;
  if (reduce === undefined && interpolation !== 'area' && antialias !== true) return undefined;
  return ([height, width]) => {
    const { resized } = fitOf(preprocessing, height, width);
    const side = (axis: 0 | 1): number => Math.min(2 * resized[axis], 8 * (reduce?.[axis] ?? Infinity));
    return [side(0), side(1)];
  };
}
