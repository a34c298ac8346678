import type { Preprocessing } from '../model/preprocessing.js';
import type { Kept } from './decodePlan.js';
import { fitOf } from './fit.js';

/** Pixels kept each way of a picture for each one that it is resized to, and for each cell that is averaged. */
export const DETAIL = { perPixel: 2, perCell: 8 } as const;

/** Whether pixels are averaged over cells, rather than filtered or picked. */
export function averages({ reduce, interpolation, antialias }: Preprocessing): boolean {
  return antialias !== true && (reduce !== undefined || interpolation === 'area');
}

/**
 * How much of a picture a model's preprocessing can tell apart, with room to spare: twice the pixels it resizes the picture
 * to, so that there is still something to filter, or eight for each cell it averages, whichever is less. Undefined for a
 * preprocessing that neither averages nor filters: it picks single pixels, which have to be the picture's own.
 */
export function atLeast(preprocessing: Preprocessing): Kept | undefined {
  const { reduce, antialias } = preprocessing;
  if (!averages(preprocessing) && antialias !== true) return undefined;
  return ([height, width]) => {
    const { resized } = fitOf(preprocessing, height, width);
    const side = (axis: 0 | 1): number =>
      Math.min(DETAIL.perPixel * resized[axis], DETAIL.perCell * (reduce?.[axis] ?? Infinity));
    return [side(0), side(1)];
  };
}
