import type { Architecture, Conventions } from '../lib/model/architecture.js';
import { BLOCK_TEMPLATES } from '../lib/model/architecture.js';
import type { Layer, Model } from '../lib/model/model.js';
import { layerSpecs } from '../lib/model/network.js';
import { IMAGENET_MEAN, IMAGENET_STD } from '../lib/model/preprocessing.js';
import { seededRandom } from '../lib/numbers/random.js';

/** Floats in [-1, 1) of a fixed seed. */
export function randomFloats(seed: number): () => number {
  const random = seededRandom(seed);
  return () => 2 * random() - 1;
}

/** A narrow MobileNetV3-Small with unremarkable random weights, batch norms unfolded: quick to pack and run. */
export function randomModel({
  seed = 1,
  classes = 10,
  size = 64,
  hidden = 64,
  conventions = {} as Conventions,
} = {}): Model {
  const random = randomFloats(seed);
  const numbers = (count: number, scale: number, offset = 0): Float32Array =>
    Float32Array.from({ length: count }, () => random() * scale + offset);
  const architecture = { ...narrowArchitecture(classes), hidden, ...conventions };
  const layers = new Map<string, Layer>();
  for (const spec of layerSpecs(architecture)) {
    const [outputs = 1, ...rest] = spec.shape;
    const fanIn = rest.reduce((product, n) => product * n, 1);
    const data = numbers(outputs * fanIn, Math.sqrt(6 / fanIn));
    const layer: Layer = { weights: { type: 'f32', data } };
    layers.set(
      spec.name,
      spec.batchNorm === undefined
        ? { ...layer, bias: numbers(outputs, 0.1) }
        : {
            ...layer,
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
    labels: Array.from({ length: classes }, (_, i) => `class ${i}`),
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
  const blocks = BLOCK_TEMPLATES.mobilenet_v3_small.map((template, index) => {
    const output = outputs[index]!;
    const expanded = index === 0 ? input : input * 3;
    const block = {
      ...template,
      input,
      expanded,
      output,
      squeeze: template.squeezes ? 8 : 0,
      hasExpansion: index !== 0,
    };
    input = output;
    return block;
  });
  return { name: 'mobilenet_v3_small', stem: 8, blocks, last: 72, hidden: 64, classes };
}
