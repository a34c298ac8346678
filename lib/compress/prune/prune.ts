import { invalidArgument, NeonsenseError } from '../../errors.js';
import type { Layer, Model, Weights } from '../../model/model.js';
import { type LayerSpec, layerSpecs } from '../../model/network.js';
import { toFloat32 } from '../../model/weights.js';
import { roundHalfEven } from '../../numbers/round.js';
import { type ChannelReport, pruneChannels } from './pruneChannels.js';
import { selectSmallest } from './selectSmallest.js';
import { countZeros, withZeros } from './zeros.js';

/** Which layers to prune: their names, or a function that says so. */
export type PruneTargets = readonly string[] | ((spec: LayerSpec) => boolean);

/** Whether the share is reached in each tensor, or over all of them together. */
export type PruneScope = 'per-tensor' | 'global';

interface CommonPruneOptions {
  /** All Conv2d and Linear layers unless given. */
  readonly targets?: PruneTargets | undefined;
}

/** What to set to zero. */
export type PruneOptions =
  | (CommonPruneOptions & {
      /** The weights of smallest magnitude, one by one, as `torch.nn.utils.prune.l1_unstructured`. The default. */
      readonly method?: 'l1-unstructured' | undefined;
      /** Share of the weights to zero, in [0, 1). Default 0.3. */
      readonly amount?: number | undefined;
      readonly scope?: PruneScope | undefined;
    })
  | (CommonPruneOptions & {
      /** Of every `m` neighbouring weights of one output channel the `n` largest stay. */
      readonly method: 'n:m';
      readonly n: number;
      readonly m: number;
    })
  | (CommonPruneOptions & {
      /** Blocks of weights with the smallest mean magnitude. */
      readonly method: 'block';
      readonly amount?: number | undefined;
      readonly scope?: PruneScope | undefined;
      /** `[output channels, inputs]` of a block. Default `[4, 1]`: the blocks sparse matrix kernels can use. */
      readonly block?: readonly [number, number] | undefined;
    })
  | {
      /** Whole channels, so that the network really shrinks. */
      readonly method: 'channels';
      /** Share of each width to remove, in [0, 1). Default 0.3. */
      readonly amount?: number | undefined;
      /** Widths are kept a multiple of this. Default 8, the tile of the engine's kernels. */
      readonly multiple?: number | undefined;
      /** Which widths may shrink. Default all three. */
      readonly widths?: readonly ('expanded' | 'last' | 'hidden')[] | undefined;
    };

/** What pruning did to one layer. */
export interface PruneLayerReport {
  readonly layer: string;
  /** Weights the layer has now. */
  readonly weights: number;
  readonly zerosBefore: number;
  readonly zerosAfter: number;
  /** Largest magnitude that was zeroed, 0 where nothing was. */
  readonly largestZeroed: number;
}

/** What pruning did. */
export interface PruneReport {
  readonly method: 'l1-unstructured' | 'n:m' | 'block' | 'channels';
  readonly layers: readonly PruneLayerReport[];
  /** The widths that were shrunk, or why they were not; empty but for `channels`. */
  readonly channels: readonly ChannelReport[];
  readonly parametersBefore: number;
  readonly parametersAfter: number;
}

/** Removes weights of a checked model as checked options say. */
export function removeWeights(model: Model, options: PruneOptions): { model: Model; report: PruneReport } {
  switch (options.method) {
    case 'channels':
      return channels(model, options);
    case 'n:m':
      return zeroOut(model, 'n:m', options.targets, { n: options.n, m: options.m }, (layers) =>
        layers.map(({ real, spec }) => smallestOfGroups(real, real.length / spec.shape[0]!, options.n, options.m)),
      );
    case 'block': {
      const { amount = 0.3, scope = 'per-tensor', block = [4, 1] } = options;
      const [rows, columns] = block;
      return zeroOut(model, 'block', options.targets, { amount, scope, block }, (layers) => {
        const norms = layers.map(({ real, spec }) => blockNorms(real, spec.shape[0]!, rows, columns));
        return select(norms, amount, scope).map((marks, i) =>
          spreadBlocks(marks, layers[i]!.real.length, layers[i]!.spec.shape[0]!, rows, columns),
        );
      });
    }
    default: {
      const { amount = 0.3, scope = 'per-tensor' } = options;
      return zeroOut(model, 'l1-unstructured', options.targets, { amount, scope }, (layers) =>
        select(
          layers.map(({ real }) => real),
          amount,
          scope,
        ),
      );
    }
  }
}

/** Widths of the network that can lose channels. */
export const WIDTHS = ['expanded', 'last', 'hidden'] as const;

interface Target {
  readonly name: string;
  readonly spec: LayerSpec;
  readonly weights: Weights;
  readonly real: Float32Array;
}

/** Applies a choice of zeros, given as one mask per targeted layer, and reports it. */
function zeroOut(
  model: Model,
  method: PruneReport['method'],
  wanted: PruneTargets | undefined,
  details: { readonly [key: string]: unknown },
  choose: (targets: readonly Target[]) => readonly Uint8Array[],
): { model: Model; report: PruneReport } {
  const targets = targetsOf(model, wanted);
  const masks = choose(targets);
  const layers = new Map<string, Layer>(model.layers);
  const report: PruneLayerReport[] = targets.map(({ name, weights, real }, i) => {
    const mask = masks[i]!;
    const pruned = withZeros(weights, mask);
    layers.set(name, { ...model.layers.get(name)!, weights: pruned });
    let largestZeroed = 0;
    for (let j = 0; j < mask.length; j++) {
      if (mask[j] === 1) largestZeroed = Math.max(largestZeroed, Math.abs(real[j]!));
    }
    return {
      layer: name,
      weights: real.length,
      zerosBefore: countZeros(weights),
      zerosAfter: countZeros(pruned),
      largestZeroed,
    };
  });
  const parameters = countParameters(model);
  const step = {
    step: 'prune',
    details: { method, ...details, ...(wanted === undefined ? {} : { targets: targets.map(({ name }) => name) }) },
  };
  return {
    model: { ...model, layers, provenance: [...model.provenance, step] },
    report: { method, layers: report, channels: [], parametersBefore: parameters, parametersAfter: parameters },
  };
}

function channels(
  model: Model,
  options: Extract<PruneOptions, { method: 'channels' }>,
): { model: Model; report: PruneReport } {
  const { amount = 0.3, multiple = 8, widths = WIDTHS } = options;
  const result = pruneChannels(model, { amount, multiple, widths });
  const step = { step: 'prune', details: { method: 'channels', amount, multiple, widths } };
  return {
    model: { ...result.model, provenance: [...model.provenance, step] },
    report: {
      method: 'channels',
      layers: [...result.model.layers].map(([layer, { weights }]) => ({
        layer,
        weights: weights.data.length,
        zerosBefore: countZeros(model.layers.get(layer)!.weights),
        zerosAfter: countZeros(weights),
        largestZeroed: 0,
      })),
      channels: result.report,
      parametersBefore: countParameters(model),
      parametersAfter: countParameters(result.model),
    },
  };
}

/** Weights, biases and batch norm's learned numbers; running statistics are not parameters, as PyTorch counts. */
function countParameters(model: Model): number {
  let count = 0;
  for (const { weights, bias, batchNorm } of model.layers.values()) {
    count += weights.data.length + (bias?.length ?? 0);
    count += (batchNorm?.weight.length ?? 0) + (batchNorm?.bias.length ?? 0);
  }
  return count;
}

function targetsOf(model: Model, wanted: PruneTargets | undefined): Target[] {
  const specs = layerSpecs(model.architecture);
  const chosen = specs.filter((spec) => {
    if (wanted === undefined) return true;
    return typeof wanted === 'function' ? wanted(spec) : wanted.includes(spec.name);
  });
  if (chosen.length === 0) throw invalidArgument('targets', 'at least one layer', wanted);
  return chosen.map((spec) => {
    const layer = model.layers.get(spec.name);
    if (layer === undefined) {
      throw new NeonsenseError('ERR_MODEL_ARCHITECTURE', `The model has no layer ${spec.name}`);
    }
    return { name: spec.name, spec, weights: layer.weights, real: toFloat32(layer.weights) };
  });
}

/** Marks the share `amount` of smallest numbers, in each array or in all of them together. */
function select(arrays: readonly Float32Array[], amount: number, scope: PruneScope): Uint8Array[] {
  if (scope === 'per-tensor') {
    return arrays.map((values) => selectSmallest([values], roundHalfEven(amount * values.length))[0]!);
  }
  const total = arrays.reduce((sum, values) => sum + values.length, 0);
  return selectSmallest(arrays, roundHalfEven(amount * total));
}

/** Marks all but the `n` largest of each `m` neighbours; the rest of a row that `m` does not divide stays whole. */
function smallestOfGroups(real: Float32Array, row: number, n: number, m: number): Uint8Array {
  const mask = new Uint8Array(real.length);
  for (let start = 0; start < real.length; start += row) {
    for (let group = start; group + m <= start + row; group += m) {
      mask.set(selectSmallest([real.subarray(group, group + m)], m - n)[0]!, group);
    }
  }
  return mask;
}

/** Mean magnitude of each block, blocks row by row; those at the edges may be smaller. */
function blockNorms(real: Float32Array, outputs: number, rows: number, columns: number): Float32Array {
  const inputs = real.length / outputs;
  const across = Math.ceil(inputs / columns);
  const sums = new Float64Array(Math.ceil(outputs / rows) * across);
  const counts = new Uint32Array(sums.length);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      const block = Math.floor(o / rows) * across + Math.floor(i / columns);
      sums[block]! += Math.abs(real[o * inputs + i]!);
      counts[block]!++;
    }
  }
  return Float32Array.from(sums, (sum, block) => sum / counts[block]!);
}

/** One mark per block to one per weight. */
function spreadBlocks(marks: Uint8Array, length: number, outputs: number, rows: number, columns: number): Uint8Array {
  const inputs = length / outputs;
  const across = Math.ceil(inputs / columns);
  const mask = new Uint8Array(length);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      mask[o * inputs + i] = marks[Math.floor(o / rows) * across + Math.floor(i / columns)]!;
    }
  }
  return mask;
}
