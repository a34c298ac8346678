import { NeonsenseError } from '../../errors.js';
import type { Architecture } from '../../model/architecture.js';
import { foldModel } from '../../model/foldBatchNorm.js';
import type { Layer, Model } from '../../model/model.js';
import { type LayerSpec, layerNodes, layerSpecs, networkOf } from '../../model/network.js';
import { toFloat32 } from '../../model/weights.js';
import { correctBias } from '../repair/biasCorrection.js';
import { inSinglePrecision } from './fp16.js';
import { quantizePerChannel, quantizePerTensorAsTorch } from './quantizeWeights.js';

/** Options of `quantizeDynamic`. */
export interface QuantizeDynamicOptions {
  /**
   * `linear`: the two Linear layers, one scale for each tensor, as PyTorch's `quantize_dynamic(model, {nn.Linear})`.
   * `all` (the default): every 1x1 convolution and Linear layer, one scale for each output channel; smaller and faster.
   */
  readonly scope?: 'linear' | 'all' | undefined;
  /**
   * Layers of the scope that stay in float, by name. Default with `all`: those with at most 16 inputs (see
   * `narrowLayers`); with `linear`: none.
   */
  readonly keepFloat?: readonly string[] | undefined;
  /**
   * Mean of each channel of each value, as calibration of the folded model saw them, by value name: biases are then
   * corrected for the average error of the rounded weights. Without them nothing is corrected, as in PyTorch.
   */
  readonly means?: ReadonlyMap<string, Float64Array> | undefined;
}

/** Up to this many inputs a sum is too short for rounding errors to average out in. */
const NARROW = 16;

/**
 * The 1x1 convolutions and Linear layers with at most 16 inputs. Quantizing them saves next to nothing (in
 * MobileNetV3-Small they are 0.1 % of the weights) and is what costs most: the two largest, at the start of the network
 * where activations range widest, make two thirds of the logit error of the whole quantized network.
 */
export function narrowLayers(architecture: Architecture): string[] {
  return layerSpecs(architecture)
    .filter((spec) => isPointwise(spec) && spec.shape[1]! <= NARROW)
    .map(({ name }) => name);
}

/**
 * Those of them that have at most 16 outputs too: so little work that int8 can't save time. In a network whose channels
 * were evened out (see `equalize`) only they stay in float. Of the others `features.2.block.0.0` has 6.5 % of the
 * multiply-accumulates of MobileNetV3-Small, and in int8 it loses less then.
 */
export function tinyLayers(architecture: Architecture): string[] {
  const narrow = narrowLayers(architecture);
  return layerSpecs(architecture)
    .filter(({ name, shape }) => narrow.includes(name) && shape[0]! <= NARROW)
    .map(({ name }) => name);
}

/** Quantizes the weights of a checked float model as checked options say. */
export function toInt8Dynamic(model: Model, options: QuantizeDynamicOptions = {}): Model {
  const { scope = 'all', means: allMeans } = options;
  const keepFloat = options.keepFloat ?? (scope === 'all' ? narrowLayers(model.architecture) : []);
  const source = scope === 'all' ? foldModel(inSinglePrecision(model)) : inSinglePrecision(model);
  const layers = new Map<string, Layer>();
  for (const { spec, inputs } of layerNodes(networkOf(model.architecture, model.preprocessing.size))) {
    const layer = source.layers.get(spec.name);
    if (layer === undefined) throw new NeonsenseError('ERR_MODEL_ARCHITECTURE', `The model has no layer ${spec.name}`);
    const inScope = scope === 'linear' ? spec.kind === 'linear' : isPointwise(spec);
    if (!inScope || keepFloat.includes(spec.name)) {
      layers.set(spec.name, layer);
      continue;
    }
    const real = toFloat32(layer.weights);
    const weights = scope === 'linear' ? quantizePerTensorAsTorch(real) : quantizePerChannel(real, spec.shape[0]!);
    const quantized = { ...layer, weights };
    const means = allMeans?.get(inputs[0]!);
    layers.set(spec.name, means === undefined ? quantized : correctBias(layer, quantized, spec, means));
  }
  const biasCorrection = allMeans !== undefined;
  return {
    ...model,
    precision: 'int8-dynamic',
    quantization: { mode: 'dynamic', scope },
    layers,
    provenance: [...model.provenance, { step: 'quantize-dynamic', details: { scope, keepFloat, biasCorrection } }],
  };
}

/** Whether a layer is a matrix product over channels: Linear, or a 1x1 convolution of one group. */
export function isPointwise(spec: LayerSpec): boolean {
  return spec.kind === 'linear' || (spec.groups === 1 && spec.shape[2] === 1 && spec.shape[3] === 1);
}
