import { throwIfAborted } from '../../errors.js';
import type { Model } from '../../model/model.js';
import { compareLogits } from '../../numbers/compareLogits.js';
import { spreadEvenly } from '../../numbers/spread.js';
import type { CalibrationSet } from '../calibrate/calibrationSet.js';

/** Runs a model on pictures, `[1, H, W, 3]` each, and gives the logits of each. */
export type RunModel = (model: Model, inputs: readonly Float32Array[]) => Promise<Float32Array[]>;

/** When the search for layers to leave in float may stop. */
export interface KeepFloatTarget {
  /** Share of pictures on which the quantized model must name the same class as the float one. Default 0.99. */
  readonly agreement?: number | undefined;
  /** Root mean square error of the logits, as a share of their own deviation, to reach. Default 0.1. */
  readonly error?: number | undefined;
  /** Layers that may stay in float at most. Default 16. */
  readonly layers?: number | undefined;
  /**
   * Largest share of the network's weights that a layer left in float may have, because the large ones are what a model
   * is quantized for. Default 0.01.
   */
  readonly share?: number | undefined;
  /** Pictures of the calibration set to measure on. Default 64. */
  readonly images?: number | undefined;
}

/** How far a quantized model is from the float one. */
export interface LogitError {
  /** Root mean square error of the logits over their own deviation. */
  readonly error: number;
  /** Share of pictures with the same top-1. */
  readonly agreement: number;
}

/** What the search saw and chose. */
export interface KeepFloatSearch {
  readonly keepFloat: readonly string[];
  /** Error with this one layer quantized and all others in float, worst first. */
  readonly layers: readonly ({ readonly layer: string } & LogitError)[];
  /** Error as layers were taken out one after another; the first entry is the wholly quantized model. */
  readonly steps: readonly ({ readonly layer?: string } & LogitError)[];
}

/**
 * Finds the layers to leave in float: each layer is quantized alone to see what it does to the logits, then, worst
 * first, the small ones go back to float until the target is reached. A layer whose return does not help stays
 * quantized.
 *
 * @param float the model in FP32
 * @param assemble the quantized model with these layers in float
 * @param names all layers
 * @param calibration pictures, `[1, H, W, 3]` each
 */
export async function chooseKeepFloat(
  float: Model,
  assemble: (floatLayers: ReadonlySet<string>) => Model,
  names: readonly string[],
  calibration: CalibrationSet,
  options: KeepFloatTarget & { readonly run: RunModel },
  hooks: {
    readonly signal?: AbortSignal | undefined;
    readonly onProgress?: ((what: string, done: number, total: number) => void) | undefined;
  } = {},
): Promise<KeepFloatSearch> {
  const { agreement = 0.99, error = 0.1, layers: most = 16, images = 64, share = 0.01, run } = options;
  const pictures = Array.from(spreadEvenly(calibration.length, images), (index) => calibration[index]!);
  const reference = await run(float, pictures);
  const measure = async (floatLayers: ReadonlySet<string>): Promise<LogitError> => {
    throwIfAborted(hooks.signal);
    return logitError(reference, await run(assemble(floatLayers), pictures));
  };

  const alone: ({ layer: string } & LogitError)[] = [];
  for (const [index, layer] of names.entries()) {
    hooks.onProgress?.('sensitivity', index, names.length);
    alone.push({ layer, ...(await measure(new Set(names.filter((name) => name !== layer)))) });
  }
  alone.sort((a, b) => b.error - a.error);

  const kept = new Set<string>();
  let now = await measure(kept);
  const steps: ({ layer?: string } & LogitError)[] = [now];
  const weights = new Map([...float.layers].map(([name, layer]) => [name, layer.weights.data.length]));
  const total = [...weights.values()].reduce((sum, count) => sum + count, 0);
  for (const { layer } of alone.filter((candidate) => weights.get(candidate.layer)! <= share * total)) {
    if (kept.size >= most || (now.agreement >= agreement && now.error <= error)) break;
    const next = await measure(new Set([...kept, layer]));
    if (next.error >= now.error) continue;
    kept.add(layer);
    now = next;
    steps.push({ layer, ...next });
  }
  return { keepFloat: names.filter((name) => kept.has(name)), layers: alone, steps };
}

/**
 * Compares the logits of two models, picture by picture.
 *
 * @param reference logits `[classes]` of each picture
 * @param other the same pictures'
 */
export function logitError(reference: readonly Float32Array[], other: readonly Float32Array[]): LogitError {
  const { error, agreement } = compareLogits(joined(reference), joined(other), reference[0]!.length);
  return { error, agreement };
}

/** Arrays of one length as one `[N, length]`. */
function joined(rows: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(rows.length * rows[0]!.length);
  rows.forEach((row, index) => all.set(row, index * row.length));
  return all;
}
