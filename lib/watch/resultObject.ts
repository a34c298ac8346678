import type { WatchResult } from './watch.js';

/**
 * A frame's result as programs and the live page get it; times are rounded to the microsecond.
 *
 * @param model the one that answered
 */
export function resultObject(result: WatchResult, model: string): object {
  const { frame, timeMs, predictions, rejected, fps, dropped, latencyMs, file, error } = result;
  const round = (value: number): number => Math.round(value * 1000) / 1000;
  return {
    model,
    frame,
    timeMs: round(timeMs),
    predictions: predictions.map(({ label, index, probability }) => ({ label, index, probability })),
    rejected,
    fps: round(fps),
    dropped,
    latencyMs: round(latencyMs),
    ...(file === undefined ? {} : { file }),
    ...(error === undefined ? {} : { error: error.message }),
  };
}
