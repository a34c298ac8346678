import { NeonsenseError, throwIfAborted } from '../../errors.js';
import type { BatchNorm, Layer, Model } from '../../model/model.js';
import { type LayerSpec, layerSpecs, rawOutput } from '../../model/network.js';
import { type ObserveModel, observing } from '../calibrate/calibrate.js';
import type { CalibrationSet } from '../calibrate/calibrationSet.js';

/** Options of a repair. */
export interface RepairOptions {
  /** The model as it was before its weights were changed. */
  readonly reference: Model;
  readonly calibration: CalibrationSet;
  /** Runs a model and shows intermediate values. */
  readonly observe: ObserveModel;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Repairs the batch norms of a checked FP32 model.
 *
 * @throws {NeonsenseError} `ERR_UNSUPPORTED` when batch norms are folded already or the two models differ in shape,
 * `ERR_ABORTED`
 */
export async function restoreMoments(model: Model, options: RepairOptions): Promise<Model> {
  const { reference, calibration, observe, signal, onProgress } = options;
  const specs = layerSpecs(model.architecture).filter(({ batchNorm }) => batchNorm !== undefined);
  requireSameShape(model, reference, specs);

  const layers = new Map(model.layers);
  let result: Model = { ...model, layers };
  for (const [done, spec] of specs.entries()) {
    throwIfAborted(signal);
    onProgress?.(done, specs.length);
    const wanted = await outputMoments(reference, spec, calibration, observe, signal);
    const found = await outputMoments(result, spec, calibration, observe, signal);
    const layer = layers.get(spec.name)!;
    layers.set(spec.name, { ...layer, batchNorm: shifted(layer.batchNorm!, spec.epsilon, found, wanted) });
    result = { ...model, layers: new Map(layers) };
  }
  onProgress?.(specs.length, specs.length);
  const step = { step: 'recalibrate', details: { calibrationImages: calibration.length } };
  return { ...result, provenance: [...model.provenance, step] };
}

interface Moments {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/** Moments per channel of the convolution's output, before its batch norm. */
async function outputMoments(
  model: Model,
  spec: LayerSpec,
  inputs: readonly Float32Array[],
  observe: ObserveModel,
  signal: AbortSignal | undefined,
): Promise<Moments> {
  const channels = spec.shape[0]!;
  // Without its batch norm, and with no bias either, the layer gives the bare convolution.
  const bare: Layer = { weights: model.layers.get(spec.name)!.weights, bias: new Float32Array(channels) };
  const probe: Model = { ...model, layers: new Map(model.layers).set(spec.name, bare) };
  const sum = new Float64Array(channels);
  const squares = new Float64Array(channels);
  let count = 0;
  const value = rawOutput(spec.name);
  for await (const { [value]: output = new Float32Array() } of observing(observe, probe, [value], inputs)) {
    throwIfAborted(signal);
    for (let start = 0; start < output.length; start += channels) {
      for (let c = 0; c < channels; c++) {
        const x = output[start + c]!;
        sum[c]! += x;
        squares[c]! += x * x;
      }
    }
    count += output.length / channels;
  }
  const mean = sum.map((total) => total / count);
  return { mean, variance: squares.map((total, c) => Math.max(0, total / count - mean[c]! ** 2)) };
}

/** `norm` with statistics under which `found` becomes what `wanted` became under the old ones. */
function shifted(norm: BatchNorm, epsilon: number, found: Moments, wanted: Moments): BatchNorm {
  const mean = new Float32Array(norm.mean.length);
  const variance = new Float32Array(norm.mean.length);
  for (let c = 0; c < mean.length; c++) {
    const old = norm.variance[c]! + epsilon;
    // A channel that is constant in either network has no scale to match: only its mean is moved.
    const ratio = found.variance[c]! > 0 && wanted.variance[c]! > 0 ? found.variance[c]! / wanted.variance[c]! : 1;
    // Statistics can't have a variance below zero; one that would need it is as good as constant.
    variance[c] = Math.max(0, old * ratio - epsilon);
    const scale = Math.sqrt((variance[c]! + epsilon) / old);
    mean[c] = found.mean[c]! - (wanted.mean[c]! - norm.mean[c]!) * scale;
  }
  return { ...norm, mean, variance };
}

function requireSameShape(model: Model, reference: Model, specs: readonly LayerSpec[]): void {
  const expected = new Map(layerSpecs(reference.architecture).map((spec) => [spec.name, spec.shape.join()]));
  for (const { name, shape } of specs) {
    if (expected.get(name) !== shape.join()) {
      throw new NeonsenseError('ERR_UNSUPPORTED', `Layer ${name} has another shape than in the reference model`);
    }
    for (const candidate of [model, reference]) {
      const layer = candidate.layers.get(name);
      if (layer?.batchNorm === undefined || layer.weights.type === 'i8' || layer.weights.type === 'u8') {
        throw new NeonsenseError(
          'ERR_UNSUPPORTED',
          `Layer ${name} has no batch norm left to recalibrate: do it before folding or quantizing`,
        );
      }
    }
  }
}
