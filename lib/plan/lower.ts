import { invalidArgument, NeonsenseError } from '../errors.js';
import type { LayerSpec } from '../model/architecture.js';
import { blockName, hasResidual, layerSpecs } from '../model/architecture.js';
import { linearBatchNorm } from '../model/foldBatchNorm.js';
import type { Model, Quantization } from '../model/model.js';
import { lowerBias, lowerWeights } from './lowerWeights.js';
import type { Plan, PlanLayer, PlanValue, ValueType, WeightedLayer } from './plan.js';

/** What a lowered plan gives back. */
export interface LowerOptions {
  /** Give back every f32 value instead of the logits alone, as calibration needs it. Default false. */
  readonly observe?: boolean;
  /** Stop at this Conv2d or Linear module of a float model and give back its output, neither clamped nor activated. */
  readonly until?: string;
  /** Use the model's own memory for the plan: half the memory and time, but the model is gone. Default false. */
  readonly consume?: boolean;
}

/**
 * The plan that runs `model`. Values are named after what they are: `input`; a layer's own name for its output, clamped
 * by relu or hard-sigmoid but before a hard-swish; `NAME.hard-swish` after it; `features.N.pool`, `features.N.scale`
 * and `features.N.add` for a block's squeeze, its excitation and its residual sum; `pool` before the classifier.
 *
 * The hard-sigmoid of squeeze-and-excitation costs nothing: `clamp(x / 6 + 1/2, 0, 1)` is a linear layer with other
 * numbers and a clamped output.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` when `until` names no layer, `ERR_MODEL_ARCHITECTURE` when a layer is
 * missing or its weights are unusable, `ERR_MODEL_FORMAT` when a statically quantized model lacks the range of a value
 * it needs.
 */
export function lower(model: Model, options: LowerOptions = {}): Plan {
  return new Lowering(model, options).run();
}

/** A value as the layer that makes it leaves it. Converted copies are made where a reader wants another type. */
type Value = number;

class Lowering {
  private readonly values: PlanValue[] = [];
  private readonly layers: PlanLayer[] = [];
  private readonly converted = new Map<string, Value>();
  private readonly specs: Map<string, LayerSpec>;
  /** Ranges of a statically quantized model, by value name. */
  private readonly ranges: ReadonlyMap<string, Quantization>;
  private readonly staticType: 'qs8' | 'qu8';

  constructor(
    private readonly model: Model,
    private readonly options: LowerOptions,
  ) {
    this.specs = new Map(layerSpecs(model.architecture).map((spec) => [spec.name, spec]));
    const scheme = model.quantization;
    this.ranges = scheme?.mode === 'static' ? scheme.values : new Map();
    this.staticType = scheme?.mode === 'static' ? scheme.activations : 'qs8';
  }

  run(): Plan {
    const { observe = false, until } = this.options;
    const [height, width] = this.model.preprocessing.size;
    const input = this.addValue({ name: 'input', shape: [height, width, 3], type: 'f32' });
    const result = this.as(this.network(input), 'f32');
    const outputs = observe
      ? this.values.flatMap((value, index) => (value.type === 'f32' && index !== input ? [index] : []))
      : [result];
    const plan = { values: this.values, layers: this.layers, input, outputs };
    return until === undefined ? plan : cutAfter(plan, until);
  }

  private network(input: Value): Value {
    const { blocks } = this.model.architecture;
    let x = this.weighted('features.0.0', input);
    blocks.forEach((_, index) => {
      x = this.block(index, x);
    });
    x = this.weighted(`features.${blocks.length + 1}.0`, x);
    x = this.plain('global-average-pool', 'pool', [x]);
    x = this.weighted('classifier.0', x);
    return this.weighted('classifier.3', x);
  }

  private block(index: number, input: Value): Value {
    const block = this.model.architecture.blocks[index]!;
    const prefix = blockName(index);
    const feature = `features.${index + 1}`;
    let part = 0;
    let x = input;
    if (block.hasExpansion) x = this.weighted(`${prefix}.${part++}.0`, x);
    x = this.weighted(`${prefix}.${part++}.0`, x);
    if (block.squeeze > 0) {
      const name = `${prefix}.${part++}`;
      const pooled = this.plain('global-average-pool', `${feature}.pool`, [x]);
      const gate = this.weighted(`${name}.fc2`, this.weighted(`${name}.fc1`, pooled));
      x = this.plain('multiply', `${feature}.scale`, [x, gate]);
    }
    x = this.weighted(`${prefix}.${part}.0`, x);
    return hasResidual(block) ? this.plain('add', `${feature}.add`, [x, input]) : x;
  }

  /** A convolution or linear layer with what follows it: its bias, its activation. */
  private weighted(name: string, input: Value): Value {
    const spec = this.specs.get(name);
    const stored = this.model.layers.get(name);
    if (spec === undefined || stored === undefined) {
      throw new NeonsenseError('ERR_MODEL_ARCHITECTURE', `The model has no layer ${name}`);
    }
    const inputType = this.inputTypeOf(stored.weights.type);
    const norm = stored.batchNorm === undefined ? undefined : linearBatchNorm(stored.batchNorm, spec);
    const source = this.as(input, inputType);
    const hardSigmoid = spec.activation === 'hard-sigmoid';
    const weights = lowerWeights(stored.weights, spec, {
      factors: norm?.factors ?? (hardSigmoid ? new Float64Array(spec.shape[0]!).fill(1 / 6) : undefined),
      inPlace: this.options.consume ?? false,
    });
    const shift = hardSigmoid ? { factor: 1 / 6, offset: 0.5 } : { factor: 1, offset: 0 };
    const bias = lowerBias(norm?.bias ?? stored.bias, spec, shift, { weights, input: this.values[source]! });

    const { stride, padding } = spec;
    const depthwise = spec.groups > 1;
    const [, , kernelHeight = 1, kernelWidth = 1] = spec.shape;
    const [h, w] = this.values[source]!.shape;
    const side = (length: number, kernel: number): number => Math.floor((length + 2 * padding - kernel) / stride) + 1;
    const record: Omit<WeightedLayer, 'output'> = {
      op: spec.kind === 'linear' ? 'linear' : depthwise ? 'depthwise-conv2d' : 'conv2d',
      name,
      inputs: [source],
      kernel: [kernelHeight, kernelWidth],
      stride: [stride, stride],
      padding: [padding, padding, padding, padding],
      weights,
      bias,
      min: spec.activation === 'relu' || hardSigmoid ? 0 : -Infinity,
      max: hardSigmoid ? 1 : Infinity,
    };
    const output = this.addValue({
      name,
      shape: [side(h, kernelHeight), side(w, kernelWidth), spec.shape[0]!],
      ...(inputType === 'qs8' || inputType === 'qu8' ? this.quantized(name) : { type: 'f32' }),
    });
    this.layers.push({ ...record, output });
    return spec.activation === 'hard-swish' ? this.plain('hard-swish', `${name}.hard-swish`, [output]) : output;
  }

  private inputTypeOf(weights: 'f32' | 'f16' | 'i8' | 'u8'): ValueType {
    if (weights === 'f32' || weights === 'f16') return 'f32';
    return this.model.quantization?.mode === 'static' ? this.staticType : 'qd8';
  }

  /** An operator without weights: quantized where its inputs are and its output has a range, in float otherwise. */
  private plain(op: 'global-average-pool' | 'hard-swish' | 'multiply' | 'add', name: string, inputs: Value[]): Value {
    const quantized = this.ranges.has(name) && inputs.every((input) => this.values[input]!.type === this.staticType);
    const type = quantized ? this.staticType : 'f32';
    const sources = inputs.map((input) => this.as(input, type));
    const [h, w, c] = this.values[sources[0]!]!.shape;
    const output = this.addValue({
      name,
      shape: op === 'global-average-pool' ? [1, 1, c] : [h, w, c],
      ...(quantized ? this.quantized(name) : { type: 'f32' }),
    });
    this.layers.push({ op, name, inputs: sources, output });
    return output;
  }

  /** `value` in the type wanted, through a convert layer where it is of another. */
  private as(value: Value, type: ValueType): Value {
    const from = this.values[value]!;
    if (from.type === type) return value;
    const name = `${from.name}.${type}`;
    const known = this.converted.get(name);
    if (known !== undefined) return known;
    const output = this.addValue({
      name,
      shape: from.shape,
      ...(type === 'qs8' || type === 'qu8' ? this.quantized(from.name) : { type }),
    });
    this.layers.push({ op: 'convert', name, inputs: [value], output });
    this.converted.set(name, output);
    return output;
  }

  private quantized(name: string): Pick<PlanValue, 'type' | 'scale' | 'zeroPoint'> {
    const range = this.ranges.get(name);
    if (range === undefined) {
      throw new NeonsenseError(
        'ERR_MODEL_FORMAT',
        `The statically quantized model has no scale for the value ${name}, which a quantized layer reads or writes`,
      );
    }
    return { type: this.staticType, scale: range.scale, zeroPoint: range.zeroPoint };
  }

  private addValue(value: PlanValue): Value {
    this.values.push(value);
    return this.values.length - 1;
  }
}

/** The plan as far as the layer `name`, whose clamp is lifted. */
function cutAfter(plan: Plan, name: string): Plan {
  const end = plan.layers.findIndex((layer) => layer.name === name && 'weights' in layer);
  const last = plan.layers[end];
  if (last === undefined || !('weights' in last)) {
    throw invalidArgument('until', 'the name of a Conv2d or Linear module', name);
  }
  if (plan.values[last.output]!.type !== 'f32') {
    throw new NeonsenseError(
      'ERR_UNSUPPORTED',
      `The output of ${name} is quantized: stop at a layer of the float model`,
    );
  }
  return {
    values: plan.values.slice(0, last.output + 1),
    layers: [...plan.layers.slice(0, end), { ...last, min: -Infinity, max: Infinity }],
    input: plan.input,
    outputs: [last.output],
  };
}
