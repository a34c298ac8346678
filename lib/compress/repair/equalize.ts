import type { Layer, Model } from '../../model/model.js';
import { type LayerSpec, layerSpecs, type Network, type NetworkNode, networkOf } from '../../model/network.js';
import { toFloat32 } from '../../model/weights.js';

/** Channels that may be rescaled: between those that make and those that read them nothing but scaling acts. */
interface Link {
  readonly makers: string[];
  readonly readers: string[];
  /** Names of the values that carry these channels; what pooling and gating make of them is no larger. */
  readonly values: string[];
}

/** Share of the difficulty that goes to the weights; found best of 0.3 to 1 on two MobileNetV3-Small networks. */
const MIGRATION = 0.7;

/** No channel is scaled by more than this: beyond it the other side's numbers are noise. */
const LARGEST_FACTOR = 64;

/**
 * Cross-layer equalization (Nagel et al. 2019, arXiv:1906.04721): where a channel goes from one layer to the next
 * through ReLU or nothing, it can be divided by any positive number in the first and multiplied by it in the second.
 * The network computes what it did before, but no channel dictates everybody's scale any more. The factor is
 * SmoothQuant's (Xiao et al. 2022, arXiv:2211.10438), `max|x|^a / max|w|^(1 - a)` of the activations calibration saw
 * and the weights that read them: weights have a scale for each channel here and need less help than activations.
 * A channel that no weight reads is set to zero.
 *
 * Links: expansion to depthwise and depthwise to projection (and to the squeeze) in blocks with ReLU; a projection, or
 * all projections of one residual stream, to the layers that read the stream. Hard-swish is no link: it does not scale.
 * Nor are a few channels behind a mean, as between the two layers of squeeze-and-excitation.
 *
 * @param model FP32, batch norm folded
 * @param peaks largest magnitude of each channel, by value name, as calibration saw them
 */
export function equalize(model: Model, peaks: ReadonlyMap<string, Float64Array>): Model {
  const layers = new Map(model.layers);
  const specs = new Map(layerSpecs(model.architecture).map((spec) => [spec.name, spec]));
  for (const { makers, readers, values } of linksOf(networkOf(model.architecture, model.preprocessing.size))) {
    const channels = specs.get(makers[0]!)!.shape[0]!;
    const seen = new Float64Array(channels);
    for (const name of values) {
      peaks.get(name)!.forEach((peak, c) => {
        seen[c] = Math.max(seen[c]!, peak);
      });
    }
    const read = new Float64Array(channels);
    for (const name of readers) raisePeaks(read, layers.get(name)!, specs.get(name)!);
    const factors = seen.map((peak, c) => {
      const factor = peak ** MIGRATION / read[c]! ** (1 - MIGRATION);
      return factor > 0 && Number.isFinite(factor) ? Math.min(LARGEST_FACTOR, Math.max(1 / LARGEST_FACTOR, factor)) : 1;
    });
    // What nobody reads any more, as after pruning, may hold any value; at zero it takes no part in anybody's range.
    const inverse = factors.map((factor, c) => (read[c] === 0 ? 0 : 1 / factor));
    for (const name of makers) layers.set(name, scaled(layers.get(name)!, specs.get(name)!, 'output', inverse));
    for (const name of readers) layers.set(name, scaled(layers.get(name)!, specs.get(name)!, 'input', factors));
  }
  return { ...model, layers };
}

/** Every link of the network, by the first of its makers. */
function linksOf({ nodes, outputs }: Network): Link[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const streams = streamsOf(nodes);
  const closed = new Set([...outputs.values()].map((name) => streams.get(name)!));
  const links = new Map<string, Link>();
  const linkOf = (name: string): Link => {
    const stream = streams.get(name)!;
    const link = links.get(stream) ?? { makers: [], readers: [], values: [] };
    links.set(stream, link);
    return link;
  };
  for (const node of nodes) {
    if (node.operator === 'add') linkOf(node.name).values.push(node.name);
    if (node.operator === 'layer') {
      linkOf(node.name).makers.push(node.name);
      linkOf(node.name).values.push(node.name);
      linkOf(node.inputs[0]!).readers.push(node.name);
    }
    if (!scales(node, byName)) closed.add(streams.get(node.name)!);
    if (node.operator === 'hard-swish') closed.add(streams.get(node.inputs[0]!)!);
  }
  return [...links]
    .filter(([stream, { readers }]) => !closed.has(stream) && readers.length > 0)
    .map(([, link]) => link);
}

/** Whether a node's output grows with its maker's weights, channel by channel. */
function scales(node: NetworkNode, byName: ReadonlyMap<string, NetworkNode>): boolean {
  if (node.operator !== 'layer') return node.operator !== 'input' && node.operator !== 'hard-swish';
  const { activation } = node.spec;
  const behindMean = byName.get(node.inputs[0]!)!.operator === 'global-average-pool';
  return !behindMean && (activation === 'relu' || activation === 'none');
}

/** Which values carry the same channels, by name: those of one stream have the name of its first. */
function streamsOf(nodes: readonly NetworkNode[]): Map<string, string> {
  const streams = new Map<string, string>();
  for (const { name, operator, inputs } of nodes) {
    const [first, second] = inputs.map((input) => streams.get(input)!);
    const continues = operator === 'global-average-pool' || operator === 'multiply' || operator === 'add';
    streams.set(name, continues ? first! : name);
    // A sum makes one stream of two.
    if (operator === 'add') for (const [value, stream] of streams) if (stream === first) streams.set(value, second!);
  }
  return streams;
}

/** Which channel weight `i` belongs to, on the side asked for. */
function channelOf(spec: LayerSpec, side: 'output' | 'input'): (i: number) => number {
  const inputs = spec.shape[1]!;
  const area = (spec.shape[2] ?? 1) * (spec.shape[3] ?? 1);
  // A depthwise filter's input channel is its output channel.
  if (side === 'output' || spec.groups > 1) return (i) => Math.floor(i / (inputs * area));
  return (i) => Math.floor(i / area) % inputs;
}

/** Raises each input channel's peak to the largest magnitude among the weights that read it. */
function raisePeaks(peaks: Float64Array, layer: Layer, spec: LayerSpec): void {
  const data = toFloat32(layer.weights);
  const channel = channelOf(spec, 'input');
  for (let i = 0; i < data.length; i++) {
    const c = channel(i);
    peaks[c] = Math.max(peaks[c]!, Math.abs(data[i]!));
  }
}

function scaled(layer: Layer, spec: LayerSpec, side: 'output' | 'input', factors: Float64Array): Layer {
  const channel = channelOf(spec, side);
  const data = toFloat32(layer.weights).map((weight, i) => weight * factors[channel(i)]!);
  return {
    weights: { type: 'f32', data },
    ...(layer.bias === undefined
      ? {}
      : { bias: side === 'output' ? layer.bias.map((b, c) => b * factors[c]!) : layer.bias }),
  };
}
