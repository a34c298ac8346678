import { foldLayer } from '../../model/foldBatchNorm.js';
import type { Layer, Model, Weights } from '../../model/model.js';
import { type LayerSpec, layerSpecs } from '../../model/network.js';
import { sparsityOf, toFloat32 } from '../../model/weights.js';

/** Numbers counted in equal bins from `min` to `max`. */
export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly counts: readonly number[];
}

/** One layer's weights, and how far they are from those they were made from. */
export interface LayerStatistics {
  readonly layer: string;
  readonly weights: number;
  readonly type: Weights['type'];
  /** Share that is zero. */
  readonly sparsity: number;
  readonly histogram: Histogram;
  /** Absent where a stage gave the layer another shape. */
  readonly error?: {
    /** Root mean square. */
    readonly rms: number;
    readonly largest: number;
    /** Mean square of the weights over that of their error, in decibels; null where there is no error. */
    readonly signalToNoise: number | null;
    readonly histogram: Histogram;
  };
}

const BINS = 41;

/** Statistics of every layer of `model`, its weights compared with those of `reference`. */
export function layerStatistics(model: Model, reference: Model): LayerStatistics[] {
  const shapes = new Map(layerSpecs(reference.architecture).map(({ name, shape }) => [name, shape.join()]));
  return layerSpecs(model.architecture).map((spec) => {
    const layer = model.layers.get(spec.name)!;
    const other = reference.layers.get(spec.name);
    const real = toFloat32(layer.weights);
    const statistics = {
      layer: spec.name,
      weights: real.length,
      type: layer.weights.type,
      sparsity: sparsityOf(layer.weights),
      histogram: histogramOf(real),
    };
    if (other === undefined || shapes.get(spec.name) !== spec.shape.join()) return statistics;
    const expected = comparable(other, layer, spec);
    const error = real.map((w, i) => w - expected[i]!);
    const power = meanSquare(expected);
    const noise = meanSquare(error);
    return {
      ...statistics,
      error: {
        rms: Math.sqrt(noise),
        largest: error.reduce((largest, e) => Math.max(largest, Math.abs(e)), 0),
        signalToNoise: noise > 0 && power > 0 ? 10 * Math.log10(power / noise) : null,
        histogram: histogramOf(error),
      },
    };
  });
}

/** The reference's weights, with batch norm folded in where that happened to the layer they are compared with. */
function comparable(reference: Layer, layer: Layer, spec: LayerSpec): Float32Array {
  return toFloat32((layer.batchNorm === undefined ? foldLayer(reference, spec) : reference).weights);
}

function meanSquare(values: Float32Array): number {
  return values.length === 0 ? 0 : values.reduce((sum, x) => sum + x * x, 0) / values.length;
}

/** A histogram that is symmetric about zero, so that zero has a bin of its own in the middle. */
function histogramOf(values: Float32Array): Histogram {
  const largest = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const counts = new Array<number>(BINS).fill(0);
  for (const x of values) {
    const bin = largest > 0 ? Math.floor(((x / largest + 1) / 2) * BINS) : (BINS - 1) / 2;
    counts[Math.min(BINS - 1, bin)]!++;
  }
  return { min: -largest, max: largest, counts };
}
