import { NeonsenseError } from '../../errors.js';
import type { Architecture, Block } from '../../model/architecture.js';
import type { BatchNorm, Layer, Model, Weights } from '../../model/model.js';
import { featureName, type LayerRole, type LayerSpec, layerSpecs } from '../../model/network.js';
import { toFloat32 } from '../../model/weights.js';
import { roundHalfEven } from '../../numbers/round.js';
import { selectSmallest } from './selectSmallest.js';

/** What happened to one width of the network. */
export interface ChannelReport {
  /** The block's name for its expanded channels, else the layer whose outputs they are. */
  readonly name: string;
  readonly before: number;
  readonly after: number;
  /** Indices of the channels that were kept, ascending. */
  readonly kept: readonly number[];
  /** Why nothing was removed, where nothing was. */
  readonly reason?: string;
}

/** How much to remove, and where. */
export interface ChannelOptions {
  readonly amount: number;
  readonly multiple: number;
  readonly widths: readonly ('expanded' | 'last' | 'hidden')[];
}

/**
 * Removes whole channels and rebuilds every layer that makes or reads them. A channel counts by the size of what it
 * passes on: the root mean square of its activation as batch norm describes it (where batch norm is folded already, the
 * L1 norm of its filter), times the L1 norm of the weights that read it. What a removed channel adds on average is
 * moved into the bias of the readers, again from batch norm's statistics, so no data are needed.
 */
export function pruneChannels(model: Model, options: ChannelOptions): { model: Model; report: ChannelReport[] } {
  const layers = new Map(model.layers);
  const report: ChannelReport[] = [];
  const { architecture } = model;
  const specs = layerSpecs(architecture);
  const blocks = architecture.blocks.map((block, index) => {
    if (!options.widths.includes('expanded')) return block;
    const name = featureName(index);
    if (!block.hasExpansion) {
      report.push({
        name,
        before: block.expanded,
        after: block.expanded,
        kept: range(block.expanded),
        reason: 'the block has no expansion: its channels belong to the layer before it',
      });
      return block;
    }
    const parts = byRole(specs.filter((spec) => spec.block === index));
    const kept = shrinkBlock(layers, parts, block, options);
    report.push({ name, before: block.expanded, after: kept.length, kept, ...unchanged(block.expanded, kept.length) });
    return { ...block, expanded: kept.length };
  });

  let { last, hidden } = architecture;
  const top = byRole(specs);
  if (options.widths.includes('last')) {
    const maker = top('last');
    // What reads the features: the hidden layer, the logits where there is none, or nobody.
    const reader = specs.find(({ role }) => role === 'hidden' || role === 'logits');
    if (reader === undefined) {
      const reason = 'the network has no classifier: these channels are what it gives';
      report.push({ name: maker.name, before: last, after: last, kept: range(last), reason });
    } else {
      const outputs = reader.shape[0]!;
      const statistics = activationStatistics(layerOf(layers, maker), maker, last);
      const kept = choose(options, statistics.size, columnNorms(layerOf(layers, reader), reader, last));
      compensate(layers, reader, outputs, last, statistics.mean, kept);
      keepOutputs(layers, maker, last, kept);
      keepInputs(layers, reader, outputs, kept);
      report.push({ name: maker.name, before: last, after: kept.length, kept, ...unchanged(last, kept.length) });
      last = kept.length;
    }
  }
  if (options.widths.includes('hidden') && hidden > 0) {
    const [maker, reader] = [top('hidden'), top('logits')];
    const readBy = columnNorms(layerOf(layers, reader), reader, hidden);
    const kept = choose(options, rowNorms(layerOf(layers, maker), maker), readBy);
    keepOutputs(layers, maker, hidden, kept);
    keepInputs(layers, reader, architecture.classes, kept);
    report.push({ name: maker.name, before: hidden, after: kept.length, kept, ...unchanged(hidden, kept.length) });
    hidden = kept.length;
  }
  const shrunk: Architecture = { ...architecture, blocks, last, hidden };
  return { model: { ...model, architecture: shrunk, layers }, report };
}

/** Finds the layer that plays a role among some that each play another. */
function byRole(specs: readonly LayerSpec[]): (role: LayerRole) => LayerSpec {
  const layers = new Map(specs.map((spec) => [spec.role, spec]));
  return (role) => layers.get(role)!;
}

function unchanged(before: number, after: number): { reason?: string } {
  return before === after ? { reason: 'too narrow to lose a whole tile of channels' } : {};
}

/** Shrinks one block's expanded channels in place in `layers`; the indices that stay. */
function shrinkBlock(
  layers: Map<string, Layer>,
  parts: (role: LayerRole) => LayerSpec,
  block: Block,
  options: ChannelOptions,
): number[] {
  const { expanded, output, squeeze } = block;
  const [depthwise, project] = [parts('depthwise'), parts('project')];
  const { size, mean } = activationStatistics(layerOf(layers, depthwise), depthwise, expanded);
  const kept = choose(options, size, columnNorms(layerOf(layers, project), project, expanded));
  if (squeeze === 0) {
    compensate(layers, project, output, expanded, mean, kept);
  } else {
    const [fc1, fc2] = [parts('squeeze'), parts('excite')];
    const gates = expectedGates(layerOf(layers, fc1), layerOf(layers, fc2), block, mean);
    const gated = mean?.map((value, channel) => value * gates[channel]!);
    compensate(layers, project, output, expanded, gated, kept);
    compensate(layers, fc1, squeeze, expanded, mean, kept);
    keepInputs(layers, fc1, squeeze, kept);
    keepOutputs(layers, fc2, expanded, kept);
  }
  keepOutputs(layers, parts('expand'), expanded, kept);
  keepOutputs(layers, depthwise, expanded, kept);
  keepInputs(layers, project, output, kept);
  return kept;
}

/** Squeeze-and-excitation's gates for the average picture, from the mean activations; ones where those are unknown. */
function expectedGates(fc1: Layer, fc2: Layer, block: Block, mean: Float64Array | undefined): Float64Array {
  const gates = new Float64Array(block.expanded).fill(1);
  if (mean === undefined) return gates;
  const w1 = toFloat32(fc1.weights);
  const w2 = toFloat32(fc2.weights);
  const squeezed = new Float64Array(block.squeeze);
  for (let s = 0; s < block.squeeze; s++) {
    let sum = fc1.bias?.[s] ?? 0;
    for (let c = 0; c < block.expanded; c++) sum += w1[s * block.expanded + c]! * mean[c]!;
    squeezed[s] = Math.max(0, sum);
  }
  for (let c = 0; c < block.expanded; c++) {
    let sum = fc2.bias?.[c] ?? 0;
    for (let s = 0; s < block.squeeze; s++) sum += w2[c * block.squeeze + s]! * squeezed[s]!;
    gates[c] = Math.min(1, Math.max(0, sum / 6 + 0.5));
  }
  return gates;
}

/**
 * Root mean square and mean of each channel behind the activation, taking batch norm's output for normal with mean
 * `bias` and deviation `|weight|`. Without batch norm the size is the filter's L1 norm and the mean is unknown.
 */
function activationStatistics(
  layer: Layer,
  spec: LayerSpec,
  channels: number,
): { size: Float64Array; mean: Float64Array | undefined } {
  const { batchNorm } = layer;
  if (batchNorm === undefined) return { size: rowNorms(layer, spec), mean: undefined };
  const size = new Float64Array(channels);
  const mean = new Float64Array(channels);
  const act = (x: number) => (spec.activation === 'relu' ? Math.max(0, x) : (x * Math.min(6, Math.max(0, x + 3))) / 6);
  for (let c = 0; c < channels; c++) {
    let weights = 0;
    let sum = 0;
    let squares = 0;
    for (let z = -4; z <= 4; z += 0.125) {
      const weight = Math.exp((-z * z) / 2);
      const y = act(batchNorm.bias[c]! + batchNorm.weight[c]! * z);
      weights += weight;
      sum += weight * y;
      squares += weight * y * y;
    }
    mean[c] = sum / weights;
    size[c] = Math.sqrt(squares / weights);
  }
  return { size, mean };
}

/** Indices of the channels to keep, ascending, a multiple of `multiple` of them. */
function choose(options: ChannelOptions, size: Float64Array, readBy: Float64Array): number[] {
  const channels = size.length;
  const wanted = channels - roundHalfEven(options.amount * channels);
  const rounded = Math.ceil(Math.max(1, wanted) / options.multiple) * options.multiple;
  const importance = Float32Array.from(size, (value, c) => value * readBy[c]!);
  const removed = selectSmallest([importance], channels - Math.min(channels, rounded))[0]!;
  return range(channels).filter((c) => removed[c] === 0);
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

function layerOf(layers: ReadonlyMap<string, Layer>, { name }: LayerSpec): Layer {
  const layer = layers.get(name);
  if (layer === undefined) throw new NeonsenseError('ERR_MODEL_ARCHITECTURE', `The model has no layer ${name}`);
  return layer;
}

/** Factor batch norm puts on output channel `o`. */
function normFactor({ batchNorm }: Layer, { epsilon }: LayerSpec, o: number): number {
  return batchNorm === undefined ? 1 : batchNorm.weight[o]! / Math.sqrt(batchNorm.variance[o]! + epsilon);
}

/** L1 norm of each output channel's filter, batch norm's factor included. */
function rowNorms(layer: Layer, spec: LayerSpec): Float64Array {
  const real = toFloat32(layer.weights);
  const outputs = spec.shape[0]!;
  const row = real.length / outputs;
  const norms = new Float64Array(outputs);
  for (let i = 0; i < real.length; i++) norms[Math.floor(i / row)]! += Math.abs(real[i]!);
  return norms.map((norm, o) => norm * Math.abs(normFactor(layer, spec, o)));
}

/** L1 norm over outputs of the weights that read each input of a 1x1 or linear layer, batch norm's factor included. */
function columnNorms(layer: Layer, spec: LayerSpec, inputs: number): Float64Array {
  const real = toFloat32(layer.weights);
  const norms = new Float64Array(inputs);
  for (let o = 0; o < spec.shape[0]!; o++) {
    const factor = Math.abs(normFactor(layer, spec, o));
    for (let i = 0; i < inputs; i++) norms[i]! += factor * Math.abs(real[o * inputs + i]!);
  }
  return norms;
}

/** Moves the mean contribution of the inputs that go into the bias, or into batch norm's mean. */
function compensate(
  layers: Map<string, Layer>,
  spec: LayerSpec,
  outputs: number,
  inputs: number,
  mean: Float64Array | undefined,
  kept: readonly number[],
): void {
  if (mean === undefined) return;
  const layer = layerOf(layers, spec);
  const real = toFloat32(layer.weights);
  const stays = new Set(kept);
  const lost = Float64Array.from({ length: outputs }, (_, o) => {
    let sum = 0;
    for (let i = 0; i < inputs; i++) if (!stays.has(i)) sum += real[o * inputs + i]! * mean[i]!;
    return sum;
  });
  if (layer.batchNorm !== undefined) {
    const shifted = layer.batchNorm.mean.map((value, o) => value - lost[o]!);
    layers.set(spec.name, { ...layer, batchNorm: { ...layer.batchNorm, mean: shifted } });
  } else if (layer.bias !== undefined) {
    layers.set(spec.name, { ...layer, bias: layer.bias.map((value, o) => value + lost[o]!) });
  }
}

/** Keeps some output channels of a layer: rows of its weights, and what goes with them. */
function keepOutputs(layers: Map<string, Layer>, spec: LayerSpec, outputs: number, kept: readonly number[]): void {
  const layer = layerOf(layers, spec);
  const row = layer.weights.data.length / outputs;
  const pick = (values: Float32Array) => Float32Array.from(kept, (o) => values[o]!);
  const batchNorm: BatchNorm | undefined = layer.batchNorm && {
    weight: pick(layer.batchNorm.weight),
    bias: pick(layer.batchNorm.bias),
    mean: pick(layer.batchNorm.mean),
    variance: pick(layer.batchNorm.variance),
  };
  layers.set(spec.name, {
    weights: gather(layer.weights, kept.length * row, (i) => kept[Math.floor(i / row)]! * row + (i % row)),
    ...(layer.bias === undefined ? {} : { bias: pick(layer.bias) }),
    ...(batchNorm === undefined ? {} : { batchNorm }),
  });
}

/** Keeps some inputs of a 1x1 or linear layer: columns of its weights. */
function keepInputs(layers: Map<string, Layer>, spec: LayerSpec, outputs: number, kept: readonly number[]): void {
  const layer = layerOf(layers, spec);
  const inputs = layer.weights.data.length / outputs;
  const width = kept.length;
  layers.set(spec.name, {
    ...layer,
    weights: gather(layer.weights, outputs * width, (i) => Math.floor(i / width) * inputs + kept[i % width]!),
  });
}

/** Weights whose element `i` is element `from(i)` of those given. */
function gather(weights: Weights, length: number, from: (i: number) => number): Weights {
  if (weights.type !== 'f32' && weights.type !== 'f16') {
    throw new NeonsenseError('ERR_UNSUPPORTED', `Can't remove channels of ${weights.type} weights`);
  }
  const data = weights.type === 'f32' ? new Float32Array(length) : new Uint16Array(length);
  for (let i = 0; i < length; i++) data[i] = weights.data[from(i)]!;
  return { type: weights.type, data } as Weights;
}
