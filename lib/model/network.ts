import { type Architecture, type Block, type Conventions, TORCHVISION_EPSILON } from './architecture.js';
import { elementCount } from './weights.js';

/** What a layer is to the network. What changes channel counts finds layers by this, not by their names. */
export type LayerRole =
  | 'stem'
  /** 1x1, to the expanded channels of a block. */
  | 'expand'
  | 'depthwise'
  /** 1x1 on pooled channels: the first layer of squeeze-and-excitation. */
  | 'squeeze'
  /** 1x1: the second, whose hard-sigmoid gates the expanded channels. */
  | 'excite'
  /** 1x1, to the block's output. */
  | 'project'
  /** The last 1x1 convolution, before pooling. */
  | 'last'
  /** The hidden layer of the classifier. */
  | 'hidden'
  | 'logits';

/** What one Conv2d or Linear module is: everything but its numbers. */
export interface LayerSpec {
  /** torchvision's module name, for example `features.1.block.0.0` or `classifier.3`; a lone Linear is `classifier`. */
  readonly name: string;
  readonly role: LayerRole;
  /** Index into `architecture.blocks`, absent for layers outside of blocks. */
  readonly block?: number;
  readonly kind: 'conv2d' | 'linear';
  /** `[O, I / groups, KH, KW]` or `[O, I]`. */
  readonly shape: readonly number[];
  readonly stride: number;
  readonly groups: number;
  /** Name of the batch norm module that follows in torchvision, absent for layers with a bias of their own. */
  readonly batchNorm?: string;
  /** What that adds to the variance. */
  readonly epsilon: number;
  /** What is applied to the layer's output. */
  readonly activation: 'none' | 'relu' | 'hard-swish' | 'hard-sigmoid';
}

/** An operator without weights; `multiply` broadcasts its second input over height and width. */
export type PlainOperator = 'hard-swish' | 'global-average-pool' | 'multiply' | 'add';

interface NodeBase {
  /** Of the operator and of the value it makes; unique in the network. */
  readonly name: string;
  /** Names of the nodes whose values it reads. */
  readonly inputs: readonly string[];
}

/** A Conv2d or Linear module with its bias or batch norm, clamped where its activation is a clamp. */
interface LayerOperator extends NodeBase {
  readonly operator: 'layer';
  readonly spec: LayerSpec;
}

type Operator = (NodeBase & { readonly operator: 'input' | PlainOperator }) | LayerOperator;

/** Height, width and channels of a value: `[H, W, C]`; of a vector `[1, 1, C]`. */
type Shape = readonly [height: number, width: number, channels: number];

/** A layer of the network for one size of picture. */
export type LayerNode = LayerOperator & {
  readonly shape: Shape;
  /** Zeros around its input: `[top, right, bottom, left]`. */
  readonly padding: readonly [number, number, number, number];
};

/** One operator of the network and the value it makes. `input` is the picture. */
export type NetworkNode =
  | (NodeBase & { readonly operator: 'input' | PlainOperator; readonly shape: Shape })
  | LayerNode;

/** The network as data: what every pass over it (lowering, export, compression, counting) folds over. */
export interface Network {
  /** In the order they are computed. */
  readonly nodes: readonly NetworkNode[];
  /**
   * Names of nodes by what users call their values: `logits`, one number for each class, if the network has a
   * classifier, and `pool`, the features.
   */
  readonly outputs: ReadonlyMap<string, string>;
}

/** torchvision's name of the feature module that holds the block at `index` of `architecture.blocks`. */
export function featureName(index: number): string {
  return `features.${index + 1}`;
}

/** Every Conv2d and Linear module in the order the network runs them: 54 for mobilenet_v3_small, 64 for the large. */
export function layerSpecs(architecture: Architecture): readonly LayerSpec[] {
  return operatorsOf(architecture).flatMap((node) => (node.operator === 'layer' ? [node.spec] : []));
}

/**
 * The network of `architecture` for pictures of `size`, `[height, width]`. Nodes are named after what they give:
 * `input`; a layer's own name for its output, clamped by relu or hard-sigmoid but before a hard-swish;
 * `NAME.hard-swish` after it; `features.N.pool`, `features.N.scale` and `features.N.add` for a block's squeeze, its
 * excitation and its residual sum; `pool` before the classifier.
 */
export function networkOf(architecture: Architecture, size: readonly [height: number, width: number]): Network {
  const shapes = new Map<string, Shape>();
  const nodes = operatorsOf(architecture).map((operator): NetworkNode => {
    const input = shapes.get(operator.inputs[0] ?? '') ?? [...size, 3];
    const node = shaped(operator, input, architecture.padding);
    shapes.set(node.name, node.shape);
    return node;
  });
  const logits = nodes.filter((node) => node.operator === 'layer' && node.spec.role === 'logits');
  const pools = nodes.filter(({ operator }) => operator === 'global-average-pool');
  return {
    nodes,
    outputs: new Map([
      ...logits.map(({ name }) => ['logits', name] as const),
      ...pools.slice(-1).map(({ name }) => ['pool', name] as const),
    ]),
  };
}

/** What a network gives unless it is asked for something else: logits, or features where it has no classifier. */
export function mainOutput({ classes }: Architecture): 'logits' | 'pool' {
  return classes > 0 ? 'logits' : 'pool';
}

/** What the output of layer `name` is called as it is before clamp and activation. */
export function rawOutput(name: string): string {
  return `${name}:raw`;
}

/** The layers of a network, each at its place. */
export function layerNodes({ nodes }: Network): readonly LayerNode[] {
  return nodes.filter((node) => node.operator === 'layer');
}

/** Multiply-accumulates of each layer for one picture, by its name: each weight meets each output position once. */
export function macsOf(network: Network): Map<string, number> {
  return new Map(
    layerNodes(network).map(({ spec, shape: [height, width] }) => [
      spec.name,
      height * width * elementCount(spec.shape),
    ]),
  );
}

function shaped(operator: Operator, input: Shape, padding: Conventions['padding']): NetworkNode {
  if (operator.operator !== 'layer') {
    return { ...operator, shape: operator.operator === 'global-average-pool' ? [1, 1, input[2]] : input };
  }
  const { shape, stride } = operator.spec;
  const [channels = 1, , kernelHeight = 1, kernelWidth = 1] = shape;
  const rows = window(input[0], kernelHeight, stride, padding);
  const columns = window(input[1], kernelWidth, stride, padding);
  return {
    ...operator,
    shape: [rows.output, columns.output, channels],
    padding: [rows.before, columns.after, rows.after, columns.before],
  };
}

/** How a kernel moves along one axis: zeros before and after it, and the number of its positions. */
function window(
  length: number,
  kernel: number,
  stride: number,
  padding: Conventions['padding'],
): { before: number; after: number; output: number } {
  if (padding === 'same') {
    const output = Math.ceil(length / stride);
    const zeros = Math.max(0, (output - 1) * stride + kernel - length);
    const before = Math.floor(zeros / 2);
    return { before, after: zeros - before, output };
  }
  const side = (kernel - 1) / 2;
  return { before: side, after: side, output: Math.floor((length + 2 * side - kernel) / stride) + 1 };
}

function operatorsOf(architecture: Architecture): readonly Operator[] {
  const { stem, blocks, last, batchNormEpsilon } = architecture;
  const graph = new GraphBuilder(batchNormEpsilon ?? TORCHVISION_EPSILON);
  const image = graph.input('input');
  let x = graph.layer(convolution('features.0', 'stem', [stem, 3, 3, 3], 'hard-swish', { stride: 2 }), image);
  blocks.forEach((block, index) => {
    x = addBlock(graph, block, index, x);
  });
  const lastName = featureName(blocks.length);
  x = graph.layer(convolution(lastName, 'last', [last, blocks.at(-1)?.output ?? stem, 1, 1], 'hard-swish'), x);
  x = graph.plain('global-average-pool', 'pool', [x]);
  addHead(graph, architecture, x);
  return graph.operators;
}

function addHead(graph: GraphBuilder, { last, hidden, classes }: Architecture, features: string): void {
  if (classes === 0) return;
  if (hidden === 0) {
    graph.layer(linear('classifier', 'logits', [classes, last], 'none'), features);
    return;
  }
  const x = graph.layer(linear('classifier.0', 'hidden', [hidden, last], 'hard-swish'), features);
  graph.layer(linear('classifier.3', 'logits', [classes, hidden], 'none'), x);
}

function addBlock(graph: GraphBuilder, block: Block, index: number, input: string): string {
  const { kernel, expanded, output, squeeze, activation, stride } = block;
  const feature = featureName(index);
  // torchvision numbers the parts of a block in a row, so a part that is left out moves those behind it.
  let parts = 0;
  const next = (): string => `${feature}.block.${parts++}`;
  let x = input;
  if (block.hasExpansion) {
    x = graph.layer(convolution(next(), 'expand', [expanded, block.input, 1, 1], activation, { block: index }), x);
  }
  const depthwise = { stride, groups: expanded, block: index };
  x = graph.layer(convolution(next(), 'depthwise', [expanded, 1, kernel, kernel], activation, depthwise), x);
  if (squeeze > 0) {
    const attention = next();
    const pooled = graph.plain('global-average-pool', `${feature}.pool`, [x]);
    const fc1 = biasedConvolution(`${attention}.fc1`, 'squeeze', [squeeze, expanded, 1, 1], 'relu', index);
    const fc2 = biasedConvolution(`${attention}.fc2`, 'excite', [expanded, squeeze, 1, 1], 'hard-sigmoid', index);
    x = graph.plain('multiply', `${feature}.scale`, [x, graph.layer(fc2, graph.layer(fc1, pooled))]);
  }
  x = graph.layer(convolution(next(), 'project', [output, expanded, 1, 1], 'none', { block: index }), x);
  return hasResidual(block) ? graph.plain('add', `${feature}.add`, [x, input]) : x;
}

/** Whether the block adds its input to its output: torchvision's rule, stride 1 and as many channels out as in. */
function hasResidual(block: Block): boolean {
  return block.stride === 1 && block.input === block.output;
}

/** Appends operators; each method gives the name of the value it makes. */
class GraphBuilder {
  readonly operators: Operator[] = [];
  readonly #epsilon: number;

  constructor(epsilon: number) {
    this.#epsilon = epsilon;
  }

  input(name: string): string {
    this.operators.push({ name, operator: 'input', inputs: [] });
    return name;
  }

  layer(spec: Omit<LayerSpec, 'epsilon'>, input: string): string {
    const { name } = spec;
    this.operators.push({ name, operator: 'layer', inputs: [input], spec: { ...spec, epsilon: this.#epsilon } });
    return spec.activation === 'hard-swish' ? this.plain('hard-swish', `${name}.hard-swish`, [name]) : name;
  }

  plain(operator: PlainOperator, name: string, inputs: readonly string[]): string {
    this.operators.push({ name, operator, inputs });
    return name;
  }
}

/** torchvision's Conv2dNormActivation: `name.0` is the convolution, `name.1` its batch norm. */
function convolution(
  name: string,
  role: LayerRole,
  shape: LayerSpec['shape'],
  activation: LayerSpec['activation'],
  place: { readonly stride?: number; readonly groups?: number; readonly block?: number } = {},
): Omit<LayerSpec, 'epsilon'> {
  const defaults = { stride: 1, groups: 1 };
  return { name: `${name}.0`, role, kind: 'conv2d', shape, ...defaults, ...place, batchNorm: `${name}.1`, activation };
}

/** A 1x1 convolution of the squeeze-and-excitation, which has a bias and no batch norm. */
function biasedConvolution(
  name: string,
  role: LayerRole,
  shape: LayerSpec['shape'],
  activation: LayerSpec['activation'],
  block: number,
): Omit<LayerSpec, 'epsilon'> {
  return { name, role, block, kind: 'conv2d', shape, stride: 1, groups: 1, activation };
}

function linear(
  name: string,
  role: LayerRole,
  shape: LayerSpec['shape'],
  activation: LayerSpec['activation'],
): Omit<LayerSpec, 'epsilon'> {
  return { name, role, kind: 'linear', shape, stride: 1, groups: 1, activation };
}
