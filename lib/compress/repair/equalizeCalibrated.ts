import type { Model } from '../../model/model.js';
import type { ValueObserver } from '../calibrate/observers.js';
import { equalize } from './equalize.js';

/**
 * Evens out the channels of a folded model by what calibration sees of them (see `equalize`).
 *
 * @param float FP32, batch norm folded
 * @param observe calibrates a model: an observer for each value, by name
 * @returns the model that computes the same with other weights, and what calibration sees of that one
 */
export async function equalizeCalibrated(
  float: Model,
  observe: (model: Model) => Promise<Map<string, ValueObserver>>,
): Promise<{ float: Model; observers: Map<string, ValueObserver> }> {
  const seen = await observe(float);
  const even = equalize(float, new Map([...seen].map(([name, { channelPeaks }]) => [name, channelPeaks])));
  return { float: even, observers: await observe(even) };
}
