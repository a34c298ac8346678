import { invalidArgument, NeonsenseError } from '../errors.js';
import { linearBatchNorm } from '../model/foldBatchNorm.js';
import type { Model, Quantization } from '../model/model.js';
import type { LayerNode, LayerSpec, Network, NetworkNode, PlainOperator } from '../model/network.js';
import { mainOutput, networkOf, rawOutput } from '../model/network.js';
import { lowerBias, lowerWeights } from './lowerWeights.js';
import type { Plan, PlanLayer, PlanValue, ValueType } from './plan.js';

/** How a plan is made. */
export interface LowerOptions {
  /**
   * What a run gives back, in this order: `logits`, `pool`, any other node of the network by its name, or `NAME:raw` for
   * what a Conv2d or Linear module of a float model gives before clamp and activation. Default `['logits']`, or `['pool']` where
   * the network has no classifier. The plan
   * holds no layer that none of them needs.
   */
  readonly outputs?: readonly string[] | undefined;
  /** Use the model's own memory for the plan: half the memory and time, but the model is gone. Default false. */
  readonly consume?: boolean | undefined;
}

/**
 * The plan that runs `model`. Values have the names of the network's nodes (see `networkOf`); one that is converted to
 * another type adds the type's name.
 *
 * The hard-sigmoid of squeeze-and-excitation costs nothing: `clamp(x / 6 + 1/2, 0, 1)` is a linear layer with other
 * numbers and a clamped output.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` when `outputs` names no value, `ERR_UNSUPPORTED` for the raw output of
 * a layer that puts out int8, `ERR_MODEL_ARCHITECTURE` when a layer is missing or its weights are unusable,
 * `ERR_MODEL_FORMAT` when a statically quantized model lacks the range of a value it needs.
 */
export function lower(model: Model, options: LowerOptions = {}): Plan {
  return new Lowering(model, options).run();
}

/** A value as the layer that makes it leaves it. Converted copies are made where a reader wants another type. */
type Value = number;

/** A node's value, or what it is before its clamp. */
interface Output {
  readonly node: NetworkNode;
  readonly raw: boolean;
}

class Lowering {
  readonly #values: PlanValue[] = [];
  readonly #layers: PlanLayer[] = [];
  readonly #converted = new Map<string, Value>();
  /** What was made of the network's nodes so far, by name. */
  readonly #made = new Map<string, Value>();
  readonly #consume: boolean;
  readonly #outputs: readonly string[];
  readonly #network: Network;
  /** Ranges of a statically quantized model, by value name. */
  readonly #ranges: ReadonlyMap<string, Quantization>;
  readonly #staticType: 'qs8' | 'qu8';
  readonly #model: Model;

  constructor(model: Model, { outputs = [mainOutput(model.architecture)], consume = false }: LowerOptions) {
    this.#model = model;

    this.#network = networkOf(model.architecture, model.preprocessing.size);
    this.#outputs = outputs;
    this.#consume = consume;
    const scheme = model.quantization;
    this.#ranges = scheme?.mode === 'static' ? scheme.values : new Map();
    this.#staticType = scheme?.mode === 'static' ? scheme.activations : 'qs8';
  }

  run(): Plan {
    const wanted = this.#outputs.map((name) => this.#find(name));
    const needed = this.#neededFor(wanted);
    const raw = new Set(wanted.flatMap(({ node, raw }) => (raw ? [node] : [])));
    const rawValues = new Map<NetworkNode, Value>();
    for (const node of this.#network.nodes) {
      const both = needed.has(node.name) && raw.has(node);
      if (needed.has(node.name)) this.#made.set(node.name, this.#lowered(node, both));
      if (raw.has(node) && node.operator === 'layer') rawValues.set(node, this.#bare(node, both));
    }
    const outputs = wanted.map(({ node, raw }) => {
      const value = raw ? rawValues.get(node) : this.#made.get(node.name);
      return this.#as(value!, 'f32');
    });
    const twice = outputs.findIndex((value, index) => outputs.indexOf(value) !== index);
    if (twice >= 0) throw invalidArgument('outputs', 'names of different values', this.#outputs[twice]);
    return { values: this.#values, layers: this.#layers, input: 0, outputs };
  }

  #find(name: string): Output {
    const { nodes, outputs } = this.#network;
    const wanted = outputs.get(name) ?? name;
    const exact = nodes.find((node) => node.name === wanted && node.operator !== 'input');
    if (exact !== undefined) return { node: exact, raw: false };
    const layer = nodes.find((node) => node.operator === 'layer' && rawOutput(node.name) === wanted);
    // What is clamped by nothing is there already.
    if (layer?.operator === 'layer') return { node: layer, raw: clampOf(layer.spec) !== undefined };
    throw invalidArgument('outputs', `names of values, such as ${[...outputs.keys()].join(' or ')}`, name);
  }

  /** Names of the nodes to compute: those wanted, and whatever they are computed from. */
  #neededFor(wanted: readonly Output[]): Set<string> {
    const needed = new Set([this.#network.nodes[0]!.name]);
    for (const { node, raw } of wanted) for (const name of raw ? node.inputs : [node.name]) needed.add(name);
    for (const { name, inputs } of [...this.#network.nodes].reverse()) {
      if (needed.has(name)) for (const input of inputs) needed.add(input);
    }
    return needed;
  }

  /** @param shared whether the node's weights are lowered twice, so that neither may take the model's own */
  #lowered(node: NetworkNode, shared: boolean): Value {
    switch (node.operator) {
      case 'input':
        return this.#addValue({ name: node.name, shape: node.shape, type: 'f32' });
      case 'layer':
        return this.#weighted(node, { name: node.name, clamp: clampOf(node.spec), shared });
      default:
        return this.#plain(node.operator, node);
    }
  }

  /** The output of a layer that has a clamp, without it. */
  #bare(node: LayerNode, shared: boolean): Value {
    const value = this.#weighted(node, { name: rawOutput(node.name), clamp: undefined, shared });
    if (this.#values[value]!.type === 'f32') return value;
    throw new NeonsenseError(
      'ERR_UNSUPPORTED',
      `The output of ${node.name} is int8 from the start: ask for ${rawOutput(node.name)} of the float model`,
    );
  }

  /** A convolution or linear layer with its bias or batch norm, clamped or as it is. */
  #weighted(
    { spec, inputs, shape, padding }: LayerNode,
    { name, clamp, shared }: { name: string; clamp: Clamp | undefined; shared: boolean },
  ): Value {
    const stored = this.#model.layers.get(spec.name);
    if (stored === undefined) {
      throw new NeonsenseError('ERR_MODEL_ARCHITECTURE', `The model has no layer ${spec.name}`);
    }
    const inputType = this.#inputTypeOf(stored.weights.type);
    const norm = stored.batchNorm === undefined ? undefined : linearBatchNorm(stored.batchNorm, spec);
    const source = this.#as(this.#made.get(inputs[0]!)!, inputType);
    const { factor = 1, offset = 0, min = -Infinity, max = Infinity } = clamp ?? {};
    const inPlace = this.#consume && !shared;
    const weights = lowerWeights(stored.weights, spec, {
      factors: norm?.factors ?? (factor === 1 ? undefined : new Float64Array(spec.shape[0]!).fill(factor)),
      inPlace,
    });
    const bias = lowerBias(
      norm?.bias ?? stored.bias,
      spec,
      { factor, offset, inPlace },
      { weights, input: this.#values[source]! },
    );
    const output = this.#addValue({
      name,
      shape,
      ...(inputType === 'qs8' || inputType === 'qu8' ? this.#quantized(spec.name) : { type: 'f32' }),
    });
    const { kind, groups, stride } = spec;
    const [, , kernelHeight = 1, kernelWidth = 1] = spec.shape;
    this.#layers.push({
      op: kind === 'linear' ? 'linear' : groups > 1 ? 'depthwise-conv2d' : 'conv2d',
      name,
      inputs: [source],
      kernel: [kernelHeight, kernelWidth],
      stride: [stride, stride],
      padding,
      weights,
      bias,
      min,
      max,
      output,
    });
    return output;
  }

  #inputTypeOf(weights: 'f32' | 'f16' | 'i8' | 'u8'): ValueType {
    if (weights === 'f32' || weights === 'f16') return 'f32';
    return this.#model.quantization?.mode === 'static' ? this.#staticType : 'qd8';
  }

  /** An operator without weights: quantized where its inputs are and its output has a range, in float otherwise. */
  #plain(op: PlainOperator, { name, inputs, shape }: NetworkNode): Value {
    const made = inputs.map((input) => this.#made.get(input)!);
    const quantized = this.#ranges.has(name) && made.every((input) => this.#values[input]!.type === this.#staticType);
    const type = quantized ? this.#staticType : 'f32';
    const sources = made.map((input) => this.#as(input, type));
    const output = this.#addValue({ name, shape, ...(quantized ? this.#quantized(name) : { type: 'f32' }) });
    this.#layers.push({ op, name, inputs: sources, output });
    return output;
  }

  /** `value` in the type wanted, through a convert layer where it is of another. */
  #as(value: Value, type: ValueType): Value {
    const from = this.#values[value]!;
    if (from.type === type) return value;
    const name = `${from.name}.${type}`;
    const known = this.#converted.get(name);
    if (known !== undefined) return known;
    const output = this.#addValue({
      name,
      shape: from.shape,
      ...(type === 'qs8' || type === 'qu8' ? this.#quantized(from.name) : { type }),
    });
    this.#layers.push({ op: 'convert', name, inputs: [value], output });
    this.#converted.set(name, output);
    return output;
  }

  #quantized(name: string): Pick<PlanValue, 'type' | 'scale' | 'zeroPoint'> {
    const range = this.#ranges.get(name);
    if (range === undefined) {
      throw new NeonsenseError(
        'ERR_MODEL_FORMAT',
        `The statically quantized model has no scale for the value ${name}, which a quantized layer reads or writes`,
      );
    }
    return { type: this.#staticType, scale: range.scale, zeroPoint: range.zeroPoint };
  }

  #addValue(value: PlanValue): Value {
    this.#values.push(value);
    return this.#values.length - 1;
  }
}

/** Numbers into which a layer's output is brought, and the linear map before that makes them the activation's. */
interface Clamp {
  readonly min: number;
  readonly max: number;
  readonly factor: number;
  readonly offset: number;
}

/** What of the activation the layer does itself. */
function clampOf({ activation }: LayerSpec): Clamp | undefined {
  switch (activation) {
    case 'relu':
      return { min: 0, max: Infinity, factor: 1, offset: 0 };
    case 'hard-sigmoid':
      return { min: 0, max: 1, factor: 1 / 6, offset: 0.5 };
    default:
      return undefined;
  }
}
