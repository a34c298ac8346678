/** Type of the numbers in a value that flows between two layers. */
export type ValueType =
  | 'f32'
  /** int8 with a fixed scale and zero point. */
  | 'qs8'
  /** uint8 with a fixed scale and zero point. */
  | 'qu8'
  /** int8 whose scale and zero point are found at run time, per image. */
  | 'qd8';

/** A tensor that flows between layers, without its batch dimension. */
export interface PlanValue {
  /** Unique in the plan; where it is a layer's result, named after the layer. */
  readonly name: string;
  /** `[H, W, C]`; a vector is `[1, 1, C]`. */
  readonly shape: readonly [number, number, number];
  readonly type: ValueType;
  /** `x = scale * (q - zeroPoint)`; both present exactly for `qs8` and `qu8`. */
  readonly scale?: number;
  readonly zeroPoint?: number;
}

/** Weights in the engine's order: `[O, KH, KW, I]` for conv2d, `[C, KH, KW]` for depthwise-conv2d, `[O, I]` for linear. */
export type PlanWeights =
  /** `factors`, one per output channel, are multiplied in by the engine, in double: how a batch norm is folded. */
  | { readonly type: 'f32'; readonly data: Float32Array; readonly factors?: Float64Array }
  /** Per output channel, symmetric. */
  | { readonly type: 'qc8'; readonly data: Int8Array; readonly scales: Float32Array }
  /** Per tensor, asymmetric. */
  | { readonly type: 'qu8'; readonly data: Uint8Array; readonly scale: number; readonly zeroPoint: number };

interface LayerBase {
  /** For profiles and error messages. */
  readonly name: string;
  /** Indices into `Plan.values`. */
  readonly inputs: readonly number[];
  readonly output: number;
}

/** A layer with weights. `groups` is 1 for conv2d and the channel count for depthwise-conv2d. */
export interface WeightedLayer extends LayerBase {
  readonly op: 'conv2d' | 'depthwise-conv2d' | 'linear';
  /** `[KH, KW]`, `[1, 1]` for linear. */
  readonly kernel: readonly [number, number];
  /** `[SH, SW]` */
  readonly stride: readonly [number, number];
  /** `[top, right, bottom, left]` zeros. */
  readonly padding: readonly [number, number, number, number];
  readonly weights: PlanWeights;
  /** One per output channel: f32 beside f32 and qd8 inputs, int32 in units of input scale * weight scale beside qs8 and qu8. */
  readonly bias: Float32Array | Int32Array;
  /** The output is clamped to `[min, max]`, in real numbers. */
  readonly min: number;
  readonly max: number;
}

/** A layer without weights. `multiply` broadcasts its second input over H and W. */
export interface PlainLayer extends LayerBase {
  readonly op: 'global-average-pool' | 'hard-swish' | 'multiply' | 'add' | 'convert';
}

export type PlanLayer = WeightedLayer | PlainLayer;

/**
 * A network as the engine takes it: a flat list of layers in the order they run. It says nothing of MobileNet, PyTorch
 * or files. Its arrays belong to it alone: the engine packs them on another thread and then detaches them.
 */
export interface Plan {
  readonly values: readonly PlanValue[];
  readonly layers: readonly PlanLayer[];
  /** Index of the input value, f32 `[H, W, C]`. */
  readonly input: number;
  /** Indices of the f32 values a run gives back, in this order: the logits, unless others were asked for. */
  readonly outputs: readonly number[];
}
