/**
 * A MobileNetV3 forward pass in plain double-precision loops, straight from a torchvision state dict: slow, simple, and
 * sharing nothing with the library it is compared with. Written from torchvision 0.14's mobilenetv3.py; TensorFlow's
 * padding from its documentation of tf.nn.
 */

/** A tensor of a state dict. */
export interface ReferenceTensor {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** Values of one picture, channel by channel: `[C, H, W]`. */
export interface FeatureMap {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly data: Float64Array;
}

/**
 * Told of every module's output, by torchvision's name. Where torchvision activates in place, the value is that before
 * the activation.
 */
export type Observer = (name: string, value: FeatureMap) => void;

/** What a state dict does not say; torchvision's where absent. */
export interface ReferenceConventions {
  readonly padding?: 'same';
  readonly epsilon?: number;
}

type StateDict = ReadonlyMap<string, ReferenceTensor>;
type Activation = 'none' | 'relu' | 'hard-swish';

const SMALL_STRIDES = [2, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1];
const LARGE_STRIDES = [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1];
/** The first blocks use ReLU, the later ones hard-swish. */
const SMALL_RELU_BLOCKS = 3;
const LARGE_RELU_BLOCKS = 6;

const TORCHVISION_EPSILON = 1e-3;

/**
 * Logits `[N, classes]` of pictures `[N, H, W, 3]`. `state` holds a MobileNetV3-Small or -Large of any width; which of
 * them is told by the number of blocks. A convolution without a batch norm is taken as one it was folded into. The
 * classifier is torchvision's, a single Linear `classifier`, or none: then the pooled features come back. Throws when a
 * tensor is missing.
 */
export function referenceForward(
  state: StateDict,
  input: ArrayLike<number>,
  shape: readonly [n: number, height: number, width: number, channels: 3],
  observe: Observer = () => {},
  conventions: ReferenceConventions = {},
): Float64Array {
  const [n, height, width] = shape;
  const size = height * width * 3;
  const rows = Array.from({ length: n }, (_, i) =>
    forwardOne({ state, conventions, observe }, picture(input, i * size, height, width)),
  );
  const classes = rows[0]?.length ?? 0;
  const logits = new Float64Array(n * classes);
  rows.forEach((row, i) => logits.set(row, i * classes));
  return logits;
}

/** From `[H, W, 3]` at `start` to `[3, H, W]`. */
function picture(input: ArrayLike<number>, start: number, height: number, width: number): FeatureMap {
  const area = height * width;
  const data = Float64Array.from({ length: 3 * area }, (_, i) => input[start + (i % area) * 3 + Math.floor(i / area)]!);
  return { channels: 3, height, width, data };
}

/** A network at work. */
interface Run {
  readonly state: StateDict;
  readonly conventions: ReferenceConventions;
  readonly observe: Observer;
}

function forwardOne(run: Run, image: FeatureMap): Float64Array {
  const { state, observe } = run;
  let blocks = 0;
  while (state.has(`features.${blocks + 1}.block.0.0.weight`)) blocks++;
  const large = blocks === LARGE_STRIDES.length;
  if (!large && blocks !== SMALL_STRIDES.length) throw new Error(`A MobileNetV3 has 11 or 15 blocks, not ${blocks}`);
  const strides = large ? LARGE_STRIDES : SMALL_STRIDES;
  const reluBlocks = large ? LARGE_RELU_BLOCKS : SMALL_RELU_BLOCKS;

  let x = convNorm(run, 'features.0', image, 2, 'hard-swish');
  strides.forEach((stride, i) => {
    x = invertedResidual(run, `features.${i + 1}`, x, stride, i < reluBlocks ? 'relu' : 'hard-swish');
  });
  x = convNorm(run, `features.${blocks + 1}`, x, 1, 'hard-swish');

  const pooled = averagePool(x);
  observe('avgpool', pooled);
  if (state.has('classifier.weight')) return convolve(run, 'classifier', pooled, 1).data;
  if (!state.has('classifier.0.weight')) return pooled.data;
  const hidden = convolve(run, 'classifier.0', pooled, 1);
  observe('classifier.0', hidden);
  const logits = convolve(run, 'classifier.3', activate(hidden, 'hard-swish'), 1);
  observe('classifier.3', logits);
  return logits.data;
}

function invertedResidual(
  run: Run,
  name: string,
  input: FeatureMap,
  stride: number,
  activation: Activation,
): FeatureMap {
  const { state, observe } = run;
  let x = input;
  for (let i = 0; ; i++) {
    const part = `${name}.block.${i}`;
    if (state.has(`${part}.fc1.weight`)) {
      x = squeezeAndExcite(run, part, x);
      continue;
    }
    const weight = state.get(`${part}.0.weight`);
    if (weight === undefined) break;
    const isDepthwise = weight.shape[1] === 1 && weight.shape[2]! > 1;
    const isLast = !state.has(`${name}.block.${i + 1}.0.weight`) && !state.has(`${name}.block.${i + 1}.fc1.weight`);
    x = convNorm(run, part, x, isDepthwise ? stride : 1, isLast ? 'none' : activation);
  }
  if (stride === 1 && x.channels === input.channels) {
    x = { ...x, data: x.data.map((value, i) => value + input.data[i]!) };
  }
  observe(name, x);
  return x;
}

function squeezeAndExcite(run: Run, name: string, input: FeatureMap): FeatureMap {
  const { observe } = run;
  const squeezed = convolve(run, `${name}.fc1`, averagePool(input), 1);
  observe(`${name}.fc1`, squeezed);
  const excitation = convolve(run, `${name}.fc2`, activate(squeezed, 'relu'), 1);
  observe(`${name}.fc2`, excitation);
  const area = input.height * input.width;
  const data = input.data.map((value, i) => value * hardSigmoid(excitation.data[Math.floor(i / area)]!));
  const output = { ...input, data };
  observe(name, output);
  return output;
}

/** Convolution `<name>.0`, batch norm `<name>.1` unless it was folded, activation. */
function convNorm(run: Run, name: string, input: FeatureMap, stride: number, activation: Activation): FeatureMap {
  const { state, observe } = run;
  const convolved = convolve(run, `${name}.0`, input, stride);
  observe(`${name}.0`, convolved);
  const normalized = state.has(`${name}.1.weight`) ? batchNorm(run, `${name}.1`, convolved) : convolved;
  observe(`${name}.1`, normalized);
  return activate(normalized, activation);
}

/**
 * A convolution, or a linear layer when the weight has two dimensions. A weight with fewer input channels than the
 * picture is a grouped one.
 */
function convolve({ state, conventions }: Run, name: string, input: FeatureMap, stride: number): FeatureMap {
  const weight = tensor(state, `${name}.weight`);
  const bias = state.get(`${name}.bias`);
  const [outputs, perGroup, kernelHeight = 1, kernelWidth = 1] = weight.shape as [number, number, number?, number?];
  const outputsPerGroup = outputs / (input.channels / perGroup);
  const [top, height] = along(input.height, kernelHeight, stride, conventions);
  const [left, width] = along(input.width, kernelWidth, stride, conventions);
  const data = new Float64Array(outputs * height * width);
  for (let o = 0; o < outputs; o++) {
    const plane = data.subarray(o * height * width, (o + 1) * height * width);
    plane.fill(bias?.data[o] ?? 0);
    for (let i = 0; i < perGroup; i++) {
      const source = (Math.floor(o / outputsPerGroup) * perGroup + i) * input.height * input.width;
      for (let ky = 0; ky < kernelHeight; ky++) {
        for (let kx = 0; kx < kernelWidth; kx++) {
          const w = weight.data[((o * perGroup + i) * kernelHeight + ky) * kernelWidth + kx]!;
          const [firstY, endY] = inside(height, input.height, stride, ky - top);
          const [firstX, endX] = inside(width, input.width, stride, kx - left);
          for (let y = firstY; y < endY; y++) {
            const end = y * width + endX;
            let from = source + (y * stride + ky - top) * input.width + firstX * stride + kx - left;
            for (let to = y * width + firstX; to < end; to++, from += stride) plane[to]! += w * input.data[from]!;
          }
        }
      }
    }
  }
  return { channels: outputs, height, width, data };
}

/** Zeros before the first input along an axis, and outputs along it: (k - 1) / 2 zeros on both sides, or TensorFlow's. */
function along(inputs: number, kernel: number, stride: number, { padding }: ReferenceConventions): [number, number] {
  if (padding === undefined) return [(kernel - 1) / 2, Math.floor((inputs - 1) / stride) + 1];
  const rest = inputs % stride === 0 ? stride : inputs % stride;
  return [Math.floor(Math.max(kernel - rest, 0) / 2), Math.ceil(inputs / stride)];
}

/** Output positions `[first, end)` whose source `position * stride + offset` is not padding. */
function inside(outputs: number, inputs: number, stride: number, offset: number): readonly [number, number] {
  return [Math.max(Math.ceil(-offset / stride), 0), Math.min(Math.floor((inputs - 1 - offset) / stride) + 1, outputs)];
}

function batchNorm({ state, conventions }: Run, name: string, input: FeatureMap): FeatureMap {
  const epsilon = conventions.epsilon ?? TORCHVISION_EPSILON;
  const [weight, bias, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(
    (part) => tensor(state, `${name}.${part}`).data,
  ) as [ArrayLike<number>, ArrayLike<number>, ArrayLike<number>, ArrayLike<number>];
  const area = input.height * input.width;
  const data = input.data.map((value, i) => {
    const c = Math.floor(i / area);
    return ((value - mean[c]!) / Math.sqrt(variance[c]! + epsilon)) * weight[c]! + bias[c]!;
  });
  return { ...input, data };
}

function activate(input: FeatureMap, activation: Activation): FeatureMap {
  if (activation === 'none') return input;
  const apply = activation === 'relu' ? (x: number) => Math.max(x, 0) : (x: number) => x * hardSigmoid(x);
  return { ...input, data: input.data.map(apply) };
}

function hardSigmoid(x: number): number {
  return Math.min(Math.max(x + 3, 0), 6) / 6;
}

function averagePool(input: FeatureMap): FeatureMap {
  const area = input.height * input.width;
  const data = Float64Array.from({ length: input.channels }, (_, c) => {
    let sum = 0;
    for (let i = c * area; i < (c + 1) * area; i++) sum += input.data[i]!;
    return sum / area;
  });
  return { channels: input.channels, height: 1, width: 1, data };
}

function tensor(state: StateDict, name: string): ReferenceTensor {
  const found = state.get(name);
  if (found === undefined) throw new Error(`The state dict has no tensor ${name}`);
  return found;
}
