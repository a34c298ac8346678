import { NeonsenseError } from '../errors.js';
import type { BatchNorm, Layer, Model } from './model.js';
import type { LayerSpec } from './network.js';
import { layerSpecs } from './network.js';
import { firstNotFinite, toFloat32 } from './weights.js';

/** A batch norm as the linear map it is after training: a factor per channel for the weights, and what becomes the bias. */
export interface LinearBatchNorm {
  readonly factors: Float64Array;
  readonly bias: Float32Array;
}

/**
 * The batch norm of `spec` as factors `f = weight / sqrt(variance + eps)` for its layer's weights and the bias
 * `bias - mean * f`, computed in double; the bias is rounded once.
 *
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` when a variance is negative or a result is not finite.
 */
export function linearBatchNorm({ weight, bias, mean, variance }: BatchNorm, spec: LayerSpec): LinearBatchNorm {
  const factors = new Float64Array(weight.length);
  const foldedBias = new Float32Array(weight.length);
  for (let channel = 0; channel < weight.length; channel++) {
    const spread = variance[channel]!;
    if (!(spread >= 0)) throw unusable(`variance ${spread}`, channel, spec);
    factors[channel] = weight[channel]! / Math.sqrt(spread + spec.epsilon);
    foldedBias[channel] = bias[channel]! - mean[channel]! * factors[channel]!;
    if (!Number.isFinite(foldedBias[channel])) throw unusable(`folded bias ${foldedBias[channel]}`, channel, spec);
  }
  return { factors, bias: foldedBias };
}

/**
 * `layer` with its batch norm folded into float32 weights and a bias, each weight rounded once; see `linearBatchNorm`.
 * A zero weight stays +0, so that a pruned layer stays as sparse as it was. A layer without a batch norm is returned as
 * it is.
 *
 * @throws {NeonsenseError} as `linearBatchNorm` does.
 */
export function foldLayer(layer: Layer, spec: LayerSpec): Layer {
  if (layer.batchNorm === undefined) return layer;
  const { factors, bias } = linearBatchNorm(layer.batchNorm, spec);
  const source = toFloat32(layer.weights);
  const perChannel = source.length / factors.length;
  const data = new Float32Array(source.length);
  factors.forEach((factor, channel) => {
    const end = (channel + 1) * perChannel;
    // Adding 0 turns the -0 of a zero times a negative factor into +0.
    for (let i = channel * perChannel; i < end; i++) data[i] = source[i]! * factor + 0;
  });
  const index = firstNotFinite(data);
  if (index >= 0) throw unusable(`folded weight ${data[index]}`, Math.floor(index / perChannel), spec);
  return { weights: { type: 'f32', data }, bias };
}

/**
 * `model` with every batch norm folded; see `foldLayer`. Layers that have none keep the weights they have.
 *
 * @throws {NeonsenseError} as `linearBatchNorm` does.
 */
export function foldModel(model: Model): Model {
  const layers = new Map<string, Layer>();
  for (const spec of layerSpecs(model.architecture)) {
    const layer = model.layers.get(spec.name);
    if (layer !== undefined) layers.set(spec.name, foldLayer(layer, spec));
  }
  return { ...model, layers };
}

function unusable(what: string, channel: number, spec: LayerSpec): NeonsenseError {
  return new NeonsenseError(
    'ERR_MODEL_ARCHITECTURE',
    `The batch norm ${spec.batchNorm} of layer ${spec.name} has an unusable ${what} in channel ${channel}`,
  );
}
