import { examined } from '../errors.js';
import type { Architecture } from './architecture.js';
import { examinedModel } from './checkModel.js';
import type {
  Confidence,
  Layer,
  Model,
  Precision,
  Preprocessing,
  ProvenanceStep,
  QuantizationScheme,
  Translations,
  Weights,
} from './model.js';
import type { LayerSpec } from './network.js';
import { layerNodes, macsOf, networkOf } from './network.js';
import { elementCount, sparsityOf } from './weights.js';

/** One Conv2d or Linear module. */
export interface LayerSummary {
  readonly name: string;
  readonly kind: 'conv2d' | 'depthwise-conv2d' | 'linear';
  /** `[O, I / groups, KH, KW]` or `[O, I]`. */
  readonly shape: readonly number[];
  /** Weights and bias, and weight and bias of the batch norm that follows if it is not folded. */
  readonly parameters: number;
  /** Share of the weights, 0 to 1, that are zero. */
  readonly sparsity: number;
  readonly weightType: Weights['type'];
  /** Multiply-accumulates for one picture of the model's input size. */
  readonly macs: number;
}

/** What a model is, for people and for `--json`. */
export interface ModelSummary {
  readonly architecture: Architecture;
  readonly classes: number;
  readonly labels: readonly string[];
  readonly translations?: Translations;
  readonly preprocessing: Preprocessing;
  readonly precision: Precision;
  readonly quantization?: QuantizationScheme;
  readonly confidence?: Confidence;
  readonly provenance: readonly ProvenanceStep[];
  /**
   * What PyTorch counts with `sum(p.numel() for p in model.parameters())`: weights, biases, and batch norm's weight and
   * bias, not its running statistics. Folding batch norms makes it smaller by one number per channel.
   */
  readonly parameters: number;
  /** Whether a layer still has its batch norm. */
  readonly batchNormFolded: boolean;
  /** Share of all weights, 0 to 1, that are zero. */
  readonly sparsity: number;
  /** Size of the file, where it was given. */
  readonly bytes?: number;
  /** Multiply-accumulates for one picture of the model's input size. */
  readonly macs: number;
  readonly layers: readonly LayerSummary[];
}

/**
 * Summarizes `model`.
 *
 * @param options.bytes size of the file it came from
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for what is no model
 */
export function inspectModel(model: Model, options: { readonly bytes?: number } = {}): ModelSummary {
  const bytes = examined('options', 'an object', options, () => options.bytes);
  return examinedModel(model, () => summaryOf(model, bytes));
}

function summaryOf(model: Model, bytes: number | undefined): ModelSummary {
  const { architecture, labels, translations, preprocessing, precision, quantization, confidence, provenance } = model;
  const network = networkOf(architecture, preprocessing.size);
  const specs = layerNodes(network).map(({ spec }) => spec);
  const macs = macsOf(network);
  const layers = specs.map((spec) => summarize(spec, model.layers.get(spec.name)!, macs.get(spec.name)!));
  const weights = specs.map((spec) => elementCount(spec.shape));
  const zeros = layers.map((layer, index) => layer.sparsity * weights[index]!);
  return {
    architecture,
    classes: architecture.classes,
    labels,
    ...(translations === undefined ? {} : { translations }),
    preprocessing,
    precision,
    ...(quantization === undefined ? {} : { quantization }),
    ...(confidence === undefined ? {} : { confidence }),
    provenance,
    parameters: sum(layers.map((layer) => layer.parameters)),
    batchNormFolded: [...model.layers.values()].every((layer) => layer.batchNorm === undefined),
    sparsity: sum(zeros) / sum(weights),
    ...(bytes === undefined ? {} : { bytes }),
    macs: sum(layers.map((layer) => layer.macs)),
    layers,
  };
}

function summarize(spec: LayerSpec, layer: Layer, macs: number): LayerSummary {
  const { name, kind, shape, groups } = spec;
  const weights = elementCount(shape);
  const perChannel = layer.batchNorm === undefined ? (layer.bias?.length ?? 0) : 2 * layer.batchNorm.weight.length;
  return {
    name,
    kind: groups > 1 ? 'depthwise-conv2d' : kind,
    shape,
    parameters: weights + perChannel,
    sparsity: sparsityOf(layer.weights),
    weightType: layer.weights.type,
    macs,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
