import type { Architecture, Conventions } from '../lib/model/architecture.js';
import { BLOCK_TEMPLATES } from '../lib/model/architecture.js';
import type { Layer, Model, Weights } from '../lib/model/model.js';
import type { LayerSpec } from '../lib/model/network.js';
import { layerSpecs } from '../lib/model/network.js';
import { IMAGENET_MEAN, IMAGENET_STD } from '../lib/model/preprocessing.js';
import { seededRandom } from '../lib/numbers/random.js';

/** Floats in [-1, 1) of a fixed seed. */
export function randomFloats(seed: number): () => number {
  const random = seededRandom(seed);
  return () => 2 * random() - 1;
}

export interface RandomOptions {
  readonly seed?: number;
  readonly classes?: number;
  /** Side of the input. */
  readonly size?: number;
  readonly hidden?: number;
  readonly conventions?: Conventions;
  /** Default: a narrow MobileNetV3-Small of `classes`, `hidden` and `conventions`. */
  readonly architecture?: Architecture;
  /** Share of the weights that are zero. */
  readonly sparsity?: number;
  /** How the weights are kept, by layer. Default: `f32`. */
  readonly weightType?: (spec: LayerSpec) => Weights['type'];
  /** Without batch norms. */
  readonly folded?: boolean;
}

/** A narrow MobileNetV3-Small with unremarkable random weights: quick to pack and run, and one that every reader takes. */
export function randomModel({
  seed = 1,
  classes = 10,
  size = 64,
  hidden = 64,
  conventions = {},
  architecture = { ...narrowArchitecture(classes), hidden, ...conventions },
  sparsity = 0,
  weightType = () => 'f32',
  folded = false,
}: RandomOptions = {}): Model {
  const random = randomFloats(seed);
  const numbers = (count: number, scale: number, offset = 0): Float32Array =>
    Float32Array.from({ length: count }, () => random() * scale + offset);
  const layers = new Map<string, Layer>();
  for (const spec of layerSpecs(architecture)) {
    const [outputs = 1] = spec.shape;
    const weights = randomWeights(spec, weightType(spec), random, sparsity);
    layers.set(
      spec.name,
      spec.batchNorm === undefined || folded
        ? { weights, bias: numbers(outputs, 0.1) }
        : {
            weights,
            batchNorm: {
              weight: numbers(outputs, 0.2, 1),
              bias: numbers(outputs, 0.2),
              mean: numbers(outputs, 0.2),
              variance: numbers(outputs, 0.3, 1),
            },
          },
    );
  }
  return {
    architecture,
    labels: Array.from({ length: architecture.classes }, (_, i) => `class ${i}`),
    preprocessing: { reduce: [size, size], size: [size, size], mean: IMAGENET_MEAN, std: IMAGENET_STD },
    precision: 'fp32',
    layers,
    provenance: [],
  };
}

/** `count` random images for `model`, `[N, H, W, 3]`. */
export function randomImages(model: Model, count: number, seed = 2): Float32Array {
  const random = randomFloats(seed);
  const [height, width] = model.preprocessing.size;
  return Float32Array.from({ length: count * height * width * 3 }, () => random() * 2);
}

function narrowArchitecture(classes: number): Architecture {
  const outputs = [8, 8, 8, 16, 16, 16, 16, 16, 24, 24, 24];
  let input = 8;
  const blocks = BLOCK_TEMPLATES.mobilenet_v3_small.map(({ squeezes, kernel, activation, stride }, index) => {
    const output = outputs[index]!;
    const expanded = index === 0 ? input : input * 3;
    const squeeze = squeezes ? 8 : 0;
    const block = { kernel, input, expanded, output, squeeze, activation, stride, hasExpansion: index !== 0 };
    input = output;
    return block;
  });
  return { name: 'mobilenet_v3_small', stem: 8, blocks, last: 72, hidden: 64, classes };
}

function randomWeights(spec: LayerSpec, type: Weights['type'], random: () => number, sparsity: number): Weights {
  const [outputs = 1, ...rest] = spec.shape;
  const fanIn = rest.reduce((product, n) => product * n, 1);
  const length = outputs * fanIn;
  const keep = (value: number): number => (sparsity > 0 && (random() + 1) / 2 < sparsity ? 0 : value);
  switch (type) {
    case 'f32':
      return { type, data: Float32Array.from({ length }, () => keep(random() * Math.sqrt(6 / fanIn))) };
    case 'f16':
      // Any finite half but zero.
      return { type, data: Uint16Array.from({ length }, () => keep(Math.floor(((random() + 1) / 2) * 0x7bff) + 1)) };
    case 'i8': {
      const scales = Float32Array.from({ length: outputs }, () => 0.001 + (random() + 1) / 2);
      return { type, data: Int8Array.from({ length }, () => keep(Math.round(random() * 120))), scales };
    }
    case 'u8':
      return {
        type,
        data: Uint8Array.from({ length }, () => (random() + 1) * 128),
        scale: (random() + 1) / 2 + 1e-9,
        zeroPoint: 131,
      };
  }
}
