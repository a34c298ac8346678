import type { Architecture } from './architecture.js';
import type { Preprocessing } from './preprocessing.js';

export type { Preprocessing } from './preprocessing.js';

/** Weights of one layer, always in PyTorch's order: `[O, I / groups, KH, KW]` for a convolution, `[O, I]` for a linear layer. */
export type Weights =
  | { readonly type: 'f32'; readonly data: Float32Array }
  /** IEEE 754 half precision, as raw bits. */
  | { readonly type: 'f16'; readonly data: Uint16Array }
  /** `w = scale * q`, symmetric. `scales` has one entry (per tensor) or one per output channel. */
  | { readonly type: 'i8'; readonly data: Int8Array; readonly scales: Float32Array }
  /** `w = scale * (q - zeroPoint)`, per tensor: what QNNPACK runs. */
  | { readonly type: 'u8'; readonly data: Uint8Array; readonly scale: number; readonly zeroPoint: number };

/** Batch norm statistics of a layer that has not been folded: `y = (x - mean) / sqrt(variance + eps) * weight + bias`. */
export interface BatchNorm {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

/** One Conv2d or Linear module; what kind and shape it has is said by the architecture's `layerSpecs`. */
export interface Layer {
  readonly weights: Weights;
  /** One entry per output channel, absent where a batch norm follows instead. */
  readonly bias?: Float32Array;
  /** Absent once folded into weights and bias. A layer has a bias or a batch norm, never both. */
  readonly batchNorm?: BatchNorm;
}

/** Affine quantization of an activation: `x = scale * (q - zeroPoint)`. */
export interface Quantization {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** How the model's numbers are kept and computed. */
export type Precision = 'fp32' | 'fp16' | 'int8-dynamic' | 'int8-static';

/** How logits become probabilities that mean what they say, and from where on an answer counts. */
export interface Confidence {
  /** Above 0; probabilities are `softmax(logits / temperature)`. 1 leaves the softmax as it is. */
  readonly temperature: number;
  /**
   * In [0, 1). A picture whose best class has a lower probability (over all classes, the reject class included) shows none of the
   * classes, as far as can be told.
   */
  readonly rejectBelow?: number;
  /**
   * The label, one of the model's, that stands for everything the other classes are not. It is never among the predictions: where it
   * is more probable than the best of them, the picture is rejected. The predictions' probabilities are over the others alone.
   */
  readonly rejectClass?: string;
}

/** One thing that was done to the model, oldest first: how it was made and with which options. */
export interface ProvenanceStep {
  /** For example `train`, `convert`, `prune`, `quantize-dynamic`. */
  readonly step: string;
  /** Options and results worth keeping; JSON values only. */
  readonly details: { readonly [key: string]: unknown };
}

/** How activations are treated by a quantized model. */
export type QuantizationScheme =
  /** Activations are quantized as they come, per image. `linear`: the Linear layers; `all`: every 1x1 convolution too. */
  | { readonly mode: 'dynamic'; readonly scope: 'linear' | 'all' }
  /**
   * Activation ranges were fixed by calibration. `values` names each quantized value by the plan's value name (see
   * lower.ts); a layer with f32 weights, and a value not listed, stay in float.
   */
  | {
      readonly mode: 'static';
      readonly activations: 'qs8' | 'qu8';
      readonly values: ReadonlyMap<string, Quantization>;
    };

/** The labels in other languages: for each, by its BCP 47 tag such as `de` or `pt-BR`, one name per class. */
export type Translations = { readonly [language: string]: readonly string[] };

/** The one value every stage takes and gives back: weights, architecture, labels and preprocessing. Never changed in place. */
export interface Model {
  readonly architecture: Architecture;
  /** One name per class, in the order of the logits. */
  readonly labels: readonly string[];
  readonly translations?: Translations;
  readonly preprocessing: Preprocessing;
  readonly precision: Precision;
  /** Every Conv2d and Linear module by its torchvision name, in the order of `layerSpecs(architecture)`. */
  readonly layers: ReadonlyMap<string, Layer>;
  /** Present exactly when `precision` is int8. */
  readonly quantization?: QuantizationScheme;
  /** Absent where nobody has fitted it: the softmax is then taken as it is, and nothing is rejected. */
  readonly confidence?: Confidence;
  readonly provenance: readonly ProvenanceStep[];
}
