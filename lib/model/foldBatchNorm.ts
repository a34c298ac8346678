import { NeonsenseError } from '../errors.js';
import { layerSpecs } from './architecture.js';
import type { LayerSpec } from './architecture.js';
import type { Layer, Model } from './model.js';
import { firstNotFinite, toFloat32 } from './weights.js';

/** What torchvision's MobileNetV3 adds to the variance (`BatchNorm2d(eps=0.001)`). */
export const BATCH_NORM_EPSILON = 1e-3;

/**
 * `layer` with its batch norm folded into float32 weights and a bias: with `f = weight / sqrt(variance + eps)` per
 * output channel, `w' = w * f` and `b' = bias - mean * f`, computed in double and rounded once. A zero weight stays
 * +0, so that a pruned layer stays as sparse as it was. A layer without a batch norm is returned as it is.
 *
 * @param inPlace overwrite the layer's float32 weights instead of copying them
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` when a variance is negative or the result is not finite.
 */
export function foldLayer(layer: Layer, spec: LayerSpec, inPlace = false): Layer {
  if (layer.batchNorm === undefined) return layer;
  const { weight, bias, mean, variance } = layer.batchNorm;
  const source = toFloat32(layer.weights);
  const channels = weight.length;
  const perChannel = source.length / channels;
  const foldedWeights = inPlace ? source : new Float32Array(source.length);
  const foldedBias = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel++) {
    const spread = variance[channel]!;
    if (!(spread >= 0)) throw unusable(`variance ${spread}`, channel, spec);
    const factor = weight[channel]! / Math.sqrt(spread + BATCH_NORM_EPSILON);
    const end = (channel + 1) * perChannel;
    // Adding 0 turns the -0 of a zero times a negative factor into +0.
    for (let i = channel * perChannel; i < end; i++) foldedWeights[i] = source[i]! * factor + 0;
    foldedBias[channel] = bias[channel]! - mean[channel]! * factor;
    if (!Number.isFinite(foldedBias[channel])) throw unusable(`folded bias ${foldedBias[channel]}`, channel, spec);
  }
  const overflow = firstNotFinite(foldedWeights);
  if (overflow >= 0) throw unusable('folded weight', Math.floor(overflow / perChannel), spec);
  return { weights: { type: 'f32', data: foldedWeights }, bias: foldedBias };
}

/**
 * `model` with every batch norm folded; see `foldLayer`. Layers that have none keep the weights they have.
 *
 * @throws {NeonsenseError} as `foldLayer` does.
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
