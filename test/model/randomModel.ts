import { createHash } from 'node:crypto';
import type { Architecture } from '../../lib/model/architecture.js';
import type { Layer, Model, Weights } from '../../lib/model/model.js';
import type { LayerSpec } from '../../lib/model/network.js';
import { layerSpecs } from '../../lib/model/network.js';
import { seededRandom } from '../../lib/numbers/random.js';

/** Input, kernel, expanded, output, SE, activation, stride: torchvision's tables, written out again from the paper. */
const SMALL = `
16 3 16 16 SE RE 2
16 3 72 24 - RE 2
24 3 88 24 - RE 1
24 5 96 40 SE HS 2
40 5 240 40 SE HS 1
40 5 240 40 SE HS 1
40 5 120 48 SE HS 1
48 5 144 48 SE HS 1
48 5 288 96 SE HS 2
96 5 576 96 SE HS 1
96 5 576 96 SE HS 1`;
const LARGE = `
16 3 16 16 - RE 1
16 3 64 24 - RE 2
24 3 72 24 - RE 1
24 5 72 40 SE RE 2
40 5 120 40 SE RE 1
40 5 120 40 SE RE 1
40 3 240 80 - HS 2
80 3 200 80 - HS 1
80 3 184 80 - HS 1
80 3 184 80 - HS 1
80 3 480 112 SE HS 1
112 3 672 112 SE HS 1
112 5 672 160 SE HS 2
160 5 960 160 SE HS 1
160 5 960 160 SE HS 1`;

/** torchvision's `_make_divisible(channels, 8)`. */
function makeDivisible(channels: number): number {
  const rounded = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

/** The network as torchvision builds it for `width_mult` and `num_classes`. */
export function torchvisionArchitecture(
  name: Architecture['name'] = 'mobilenet_v3_small',
  { width = 1, classes = 10 } = {},
): Architecture {
  const rows = (name === 'mobilenet_v3_small' ? SMALL : LARGE).trim().split('\n');
  const adjust = (channels: number): number => makeDivisible(channels * width);
  const blocks = rows.map((row) => {
    const [input, kernel, expanded, output, squeeze, activation, stride] = row.split(' ') as [string, ...string[]];
    const wide = adjust(Number(expanded));
    return {
      kernel: Number(kernel),
      input: adjust(Number(input)),
      expanded: wide,
      output: adjust(Number(output)),
      squeeze: squeeze === 'SE' ? makeDivisible(Math.floor(wide / 4)) : 0,
      activation: activation === 'RE' ? ('relu' as const) : ('hard-swish' as const),
      stride: Number(stride),
      hasExpansion: wide !== adjust(Number(input)),
    };
  });
  const output = blocks.at(-1)!.output;
  const hidden = adjust(name === 'mobilenet_v3_small' ? 1024 : 1280);
  return { name, stem: blocks[0]!.input, blocks, last: 6 * output, hidden, classes };
}

export interface RandomOptions {
  readonly architecture?: Architecture;
  readonly seed?: number;
  /** Share of the weights that are zero. */
  readonly sparsity?: number;
  /** How the weights are kept, by layer. */
  readonly weightType?: (spec: LayerSpec) => Weights['type'];
  readonly folded?: boolean;
}

/** A model of random numbers; narrow, so that tests stay quick. */
export function randomModel(options: RandomOptions = {}): Model {
  const { architecture = torchvisionArchitecture('mobilenet_v3_small', { width: 0.25, classes: 4 }) } = options;
  const { seed = 1, sparsity = 0, weightType = () => 'f32', folded = false } = options;
  const random = seededRandom(seed);
  const layers = new Map<string, Layer>();
  for (const spec of layerSpecs(architecture)) {
    const floats = (length: number, low: number, high: number): Float32Array =>
      Float32Array.from({ length }, () => low + (high - low) * random());
    const channels = spec.shape[0]!;
    const weights = randomWeights(spec, weightType(spec), random, sparsity);
    if (spec.batchNorm !== undefined && !folded) {
      const batchNorm = {
        weight: floats(channels, -1, 1),
        bias: floats(channels, -1, 1),
        mean: floats(channels, -1, 1),
        variance: floats(channels, 0, 2),
      };
      layers.set(spec.name, { weights, batchNorm });
    } else {
      layers.set(spec.name, { weights, bias: floats(channels, -1, 1) });
    }
  }
  return {
    architecture,
    labels: Array.from({ length: architecture.classes }, (_, index) => `label ${index}`),
    preprocessing: { reduce: [32, 32], size: [224, 224], mean: [0.1, 0.2, 0.3], std: [0.5, 0.6, 0.7] },
    precision: 'fp32',
    layers,
    provenance: [{ step: 'random', details: { seed } }],
  };
}

function randomWeights(spec: LayerSpec, type: Weights['type'], random: () => number, sparsity: number): Weights {
  const length = spec.shape.reduce((product, size) => product * size, 1);
  const keep = (make: () => number): number => (random() < sparsity ? 0 : make());
  // A sum of three is bell-shaped, as trained weights are.
  const bell = (): number => random() + random() + random() - 1.5;
  switch (type) {
    case 'f32':
      return { type, data: Float32Array.from({ length }, () => keep(bell)) };
    case 'f16':
      return { type, data: Uint16Array.from({ length }, () => keep(() => Math.floor(random() * 0x7bff) + 1)) };
    case 'i8': {
      const scales = Float32Array.from({ length: spec.shape[0]! }, () => 0.001 + random());
      return { type, data: Int8Array.from({ length }, () => keep(() => Math.round(bell() * 80))), scales };
    }
    case 'u8':
      return { type, data: Uint8Array.from({ length }, () => random() * 256), scale: random() + 1e-9, zeroPoint: 131 };
  }
}

/** Everything in the model by its place, arrays as a hash: equal for two models exactly when all their bits are. */
export function bitsOf(model: Model): Map<string, string> {
  const bits = new Map<string, string>();
  const visit = (place: string, value: unknown): void => {
    if (ArrayBuffer.isView(value)) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      bits.set(`${place}:${value.constructor.name}`, createHash('sha256').update(bytes).digest('hex'));
    } else if (value instanceof Map) {
      for (const [key, item] of value) visit(`${place}/${String(key)}`, item);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) visit(`${place}.${key}`, item);
    } else {
      bits.set(place, Object.is(value, -0) ? '-0' : (JSON.stringify(value) ?? 'undefined'));
    }
  };
  visit('', model);
  return bits;
}
