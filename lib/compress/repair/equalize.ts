import { blockName, hasResidual, type LayerSpec, layerSpecs } from '../../model/architecture.js';
import type { Layer, Model } from '../../model/model.js';
import { toFloat32 } from '../../model/weights.js';

/** Channels that may be rescaled: between those that make and those that read them nothing but scaling acts. */
interface Link {
  readonly makers: readonly string[];
  readonly readers: readonly string[];
  /** Names of the values that carry these channels. */
  readonly values: readonly string[];
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
 *
 * @param model FP32, batch norm folded
 * @param peaks largest magnitude of each channel, by value name, as calibration saw them
 */
export function equalize(model: Model, peaks: ReadonlyMap<string, Float64Array>): Model {
  const layers = new Map(model.layers);
  const specs = new Map(layerSpecs(model.architecture).map((spec) => [spec.name, spec]));
  for (const { makers, readers, values } of linksOf(model)) {
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

function linksOf({ architecture }: Model): Link[] {
  const links: Link[] = [];
  // The stem's output went through hard-swish, so a stream that starts with it is closed to scaling.
  let stream: { makers: string[]; readers: string[]; values: string[] } | undefined;
  architecture.blocks.forEach((block, index) => {
    const prefix = blockName(index);
    const depthwise = `${prefix}.${block.hasExpansion ? 1 : 0}.0`;
    const attention = `${prefix}.${block.hasExpansion ? 2 : 1}`;
    const project = `${prefix}.${(block.hasExpansion ? 2 : 1) + (block.squeeze > 0 ? 1 : 0)}.0`;
    stream?.readers.push(`${prefix}.0.0`);
    if (block.activation === 'relu') {
      if (block.hasExpansion) {
        links.push({ makers: [`${prefix}.0.0`], readers: [depthwise], values: [`${prefix}.0.0`] });
      }
      links.push({
        makers: [depthwise],
        readers: block.squeeze > 0 ? [project, `${attention}.fc1`] : [project],
        values: [depthwise],
      });
    }
    if (hasResidual(block)) {
      stream?.makers.push(project);
      stream?.values.push(project, `features.${index + 1}.add`);
    } else {
      stream = { makers: [project], readers: [], values: [project] };
      links.push(stream);
    }
  });
  stream?.readers.push(`features.${architecture.blocks.length + 1}.0`);
  return links;
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
  for (let i = 0; i < data.length; i += 1) {
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
