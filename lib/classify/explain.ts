import { invalidArgument, NeonsenseError } from '../errors.js';
import type { Pixels } from '../image/pixels.js';
import type { Model } from '../model/model.js';
import { networkOf } from '../model/network.js';
import { toFloat32 } from '../model/weights.js';
import { indexOfLargest } from '../numbers/largest.js';
import { preprocess } from '../runtime/preprocess.js';
import { createSession, type Session } from '../runtime/session.js';

/** Where in a picture the evidence for a label lies. */
export interface ActivationMap {
  readonly label: string;
  /** Cells of the map: the picture's sides divided by 32, 7 x 7 for 224 x 224 pixels. */
  readonly width: number;
  readonly height: number;
  /** `[height, width]`: what each cell adds to the label's logit, 0 where it adds nothing or speaks against it. */
  readonly values: Float32Array;
}

/** One step of the classifier behind the pooled features. */
type HeadStep =
  | { readonly kind: 'hard-swish' }
  | {
      readonly kind: 'layer';
      readonly weights: Float32Array;
      readonly bias: Float32Array | undefined;
      readonly relu: boolean;
    };

/**
 * Says where in a picture the evidence for a label lies: the class activation map of Zhou et al. 2016
 * (arXiv:1512.04150), and where the classifier has a hidden layer, its generalization by the gradient, Grad-CAM
 * (Selvaraju et al. 2017, arXiv:1610.02391). The network ends in a mean and linear layers, so it costs no more than a
 * run. Dispose it, or declare it with `await using`.
 */
export class Explainer implements AsyncDisposable {
  readonly #model: Omit<Model, 'layers'>;
  readonly #session: Session;
  readonly #features: string;
  readonly #head: readonly HeadStep[];

  private constructor(model: Model, session: Session, features: string, head: readonly HeadStep[]) {
    const { layers: _weights, ...described } = model;
    this.#model = described;
    this.#session = session;
    this.#features = features;
    this.#head = head;
  }

  /**
   * @param options.threads as for `createSession`
   * @throws {NeonsenseError} what `createSession` throws for the model, the addon and the machine
   */
  static async create(model: Model, options: { readonly threads?: number } = {}): Promise<Explainer> {
    const { nodes, outputs } = networkOf(model.architecture, model.preprocessing.size);
    const pooling = nodes.findIndex(({ name }) => name === outputs.get('pool'));
    const features = nodes[pooling]!.inputs[0]!;
    const head = nodes.slice(pooling + 1).map((node): HeadStep => {
      if (node.operator === 'hard-swish') return { kind: 'hard-swish' };
      if (node.operator !== 'layer') throw unsupported(node.operator);
      const layer = model.layers.get(node.spec.name)!;
      if (layer.batchNorm !== undefined) throw unsupported('a batch norm');
      const weights = Float32Array.from(toFloat32(layer.weights));
      const relu = node.spec.activation === 'relu';
      return { kind: 'layer', weights, bias: layer.bias === undefined ? undefined : layer.bias.slice(), relu };
    });
    const session = await createSession(model, { ...options, outputs: ['logits', features] });
    return new Explainer(model, session, features, head);
  }

  /**
   * @param pixels one picture
   * @param label the label to explain; default: the one the model names
   * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for pixels that are none and a label the model does not know,
   * `ERR_DISPOSED`
   */
  async explain(pixels: Pixels, label?: string): Promise<ActivationMap> {
    const { labels, preprocessing } = this.#model;
    const wanted = label === undefined ? undefined : labels.indexOf(label);
    if (wanted === -1) throw invalidArgument('label', `one of ${labels.slice(0, 20).join(', ')}`, label);
    const { logits, [this.#features]: features } = await this.#session.runAll(preprocess(pixels, preprocessing));
    const [, height, width, channels] = this.#session.outputs[1]!.shape as [null, number, number, number];
    const index = wanted ?? indexOfLargest(logits!);
    const gradient = headGradient(this.#head, meanOf(features!, channels), index);
    const values = Float32Array.from({ length: height * width }, (_, cell) => {
      let sum = 0;
      for (let c = 0; c < channels; c++) sum += gradient[c]! * features![cell * channels + c]!;
      return Math.max(0, sum / (height * width));
    });
    return { label: labels[index]!, width, height, values };
  }

  async dispose(): Promise<void> {
    await this.#session.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

/** Derivative of logit `index` by the pooled features: forward through the head, then back. */
function headGradient(head: readonly HeadStep[], pooled: Float64Array, index: number): Float64Array {
  const inputs: Float64Array[] = [];
  let value = pooled;
  for (const step of head) {
    inputs.push(value);
    value = step.kind === 'hard-swish' ? value.map(hardSwish) : outputsOf(step, value);
  }
  let gradient: Float64Array = new Float64Array(value.length);
  gradient[index] = 1;
  for (let i = head.length - 1; i >= 0; i--) {
    const step = head[i]!;
    const input = inputs[i]!;
    gradient =
      step.kind === 'hard-swish'
        ? gradient.map((g, c) => g * hardSwishSlope(input[c]!))
        : backwards(step, input.length, step.relu ? gated(gradient, outputsOf(step, input)) : gradient);
  }
  return gradient;
}

function outputsOf({ weights, bias, relu }: HeadStep & { kind: 'layer' }, input: Float64Array): Float64Array {
  const width = input.length;
  return Float64Array.from({ length: weights.length / width }, (_, o) => {
    let sum = bias?.[o] ?? 0;
    for (let c = 0; c < width; c++) sum += weights[o * width + c]! * input[c]!;
    return relu ? Math.max(0, sum) : sum;
  });
}

function backwards({ weights }: HeadStep & { kind: 'layer' }, width: number, gradient: Float64Array): Float64Array {
  const result = new Float64Array(width);
  gradient.forEach((g, o) => {
    for (let c = 0; c < width; c++) result[c]! += g * weights[o * width + c]!;
  });
  return result;
}

function gated(gradient: Float64Array, outputs: Float64Array): Float64Array {
  return gradient.map((g, o) => (outputs[o]! > 0 ? g : 0));
}

function hardSwish(x: number): number {
  return (x * Math.min(6, Math.max(0, x + 3))) / 6;
}

function hardSwishSlope(x: number): number {
  return x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6;
}

/** Mean over the cells of `[cells, channels]`. */
function meanOf(features: Float32Array, channels: number): Float64Array {
  const mean = new Float64Array(channels);
  const cells = features.length / channels;
  for (let i = 0; i < features.length; i++) mean[i % channels]! += features[i]! / cells;
  return mean;
}

function unsupported(what: string): NeonsenseError {
  return new NeonsenseError(
    'ERR_UNSUPPORTED',
    `A classifier with ${what} behind the pooled features can't be explained`,
  );
}
