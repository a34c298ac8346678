import { NeonsenseError } from '../../../../errors.js';
import type { Architecture } from '../../../architecture.js';
import type { LayerNode, NetworkNode } from '../../../network.js';
import { networkOf } from '../../../network.js';
import type { StateDict, StateTensor } from '../../stateDict.js';
import type { Node } from './graph.js';
import { describeNode } from './graph.js';

/** A size for which paddings are known; they are the same for any, unless they depend on it in the code too. */
const SIZE = [224, 224] as const;

/**
 * Checks that `graph`, what TorchScript code computes, is the network that `tensors` make up: each operator in its place,
 * with the same weights, strides, paddings and activations. What can be said with other numbers is: batch norm's own epsilon
 * and a factor on the input.
 *
 * @returns the tensors, with such numbers where the code has them.
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` naming the layer, what was expected there and what the code has.
 */
export function checkGraph(graph: Node, architecture: Architecture, tensors: StateDict): StateDict {
  return new Check(architecture, tensors).run(graph);
}

class Check {
  readonly #nodes: ReadonlyMap<string, NetworkNode>;
  readonly #last: string;
  readonly #adjusted: Map<string, StateTensor>;
  /** Which node of the code each node of the network was found to be: one is read in two places where a block adds it. */
  readonly #found = new Map<string, Node>();
  readonly #tensors: StateDict;

  constructor(architecture: Architecture, tensors: StateDict) {
    this.#tensors = tensors;

    const network = networkOf(architecture, SIZE);
    this.#nodes = new Map(network.nodes.map((node) => [node.name, node]));
    this.#last = (network.outputs.get('logits') ?? network.outputs.get('pool'))!;
    this.#adjusted = new Map(tensors);
  }

  run(graph: Node): StateDict {
    this.#match(this.#last, graph, 'the end');
    return this.#adjusted;
  }

  /** Checks that `found` computes the node `name` of the network, which `reader` reads. */
  #match(name: string, found: Node, reader: string): void {
    const known = this.#found.get(name);
    if (known !== undefined) {
      if (known !== found) throw different(reader, `the value of ${name}`, describeNode(found));
      return;
    }
    this.#found.set(name, found);
    const node = this.#nodes.get(name)!;
    switch (node.operator) {
      case 'input':
        this.#matchInput(found, reader);
        return;
      case 'layer':
        this.#matchLayer(node, found, reader);
        return;
      case 'hard-swish':
      case 'global-average-pool': {
        const op = node.operator === 'hard-swish' ? 'hard-swish' : 'global average pool';
        if (found.op !== op) throw different(reader, `a ${op}`, describeNode(found));
        this.#match(node.inputs[0]!, found.input, name);
        return;
      }
      case 'multiply':
      case 'add':
        this.#matchPair(node, found, reader);
    }
  }

  /** A sum or product, whose operands may stand in either order. */
  #matchPair({ name, operator, inputs: [first, second] }: NetworkNode, found: Node, reader: string): void {
    if ((found.op !== 'multiply' && found.op !== 'add') || found.op !== operator) {
      throw different(reader, `a ${operator} of two values (${name})`, describeNode(found));
    }
    const { input, other } = found;
    const isSwapped = !this.#resembles(first!, input);
    this.#match(first!, isSwapped ? other : input, name);
    this.#match(second!, isSwapped ? input : other, name);
  }

  /** Whether `found` may be the node `name`, by its operator alone. */
  #resembles(name: string, found: Node): boolean {
    const known = this.#found.get(name);
    if (known !== undefined) return known === found;
    const node = this.#nodes.get(name)!;
    if (node.operator !== 'layer')
      return found.op === node.operator || (node.operator === 'input' && found.op.endsWith('image'));
    let layer: Node = found;
    if (layer.op === 'relu' || layer.op === 'hard-sigmoid') layer = layer.input;
    if (layer.op === 'batch norm') layer = layer.input;
    return (layer.op === 'convolution' || layer.op === 'linear') && this.#isTensor(layer.weight, `${name}.weight`);
  }

  #matchInput(found: Node, reader: string): void {
    if (found.op === 'image') return;
    if (found.op !== 'scaled image') throw different(reader, 'the picture', describeNode(found));
    if (found.offset.some((offset) => offset !== 0)) {
      throw new NeonsenseError(
        'ERR_MODEL_ARCHITECTURE',
        `The TorchScript code normalizes its input: ${reader} reads ${describeNode(found)}. Trace the network inside, ` +
          'without it, and give mean and standard deviation as `preprocessing`',
      );
    }
    const name = `${reader}.weight`;
    const weight = this.#tensors.get(name)!;
    const [, channels = 1, ...kernel] = weight.shape;
    const area = kernel.reduce((product, side) => product * side, 1);
    const { scale } = found;
    const read = (): Float32Array =>
      weight.read().map((value, index) => value * scale[scale.length === 1 ? 0 : Math.floor(index / area) % channels]!);
    this.#adjusted.set(name, { ...weight, read });
  }

  #matchLayer({ spec, padding, inputs }: LayerNode, found: Node, reader: string): void {
    let node = found;
    if (spec.activation === 'relu' || spec.activation === 'hard-sigmoid') {
      if (node.op !== spec.activation)
        throw different(reader, `a ${spec.activation} after ${spec.name}`, describeNode(node));
      node = node.input;
    }
    const { batchNorm } = spec;
    if (batchNorm !== undefined && this.#tensors.has(`${batchNorm}.running_var`)) {
      node = this.#matchBatchNorm(batchNorm, spec.epsilon, node, reader);
    }
    // On the one pixel that pooling leaves, a 1x1 convolution is a linear layer; timm has its hidden layer so.
    const isLinear = spec.kind === 'linear';
    if (node.op !== 'convolution' && !(isLinear && node.op === 'linear')) {
      throw different(reader, `the ${isLinear ? 'linear layer' : 'convolution'} ${spec.name}`, describeNode(node));
    }
    if (node.op === 'convolution') {
      const [top, right, bottom, left] = isLinear ? [0, 0, 0, 0] : padding;
      const [rows, columns] = node.padding;
      const stride = [spec.stride, spec.stride];
      expectNumbers(spec.name, 'stride', node.stride, stride);
      expectNumbers(spec.name, 'dilation', node.dilation, [1, 1]);
      expectNumbers(spec.name, 'padding', [rows!, columns!, rows!, columns!], [top, right, bottom, left]);
      expectNumbers(spec.name, 'groups', [node.groups], [spec.groups]);
    }
    this.#expectTensor(node.weight, `${spec.name}.weight`);
    const bias = `${spec.name}.bias`;
    if (node.bias !== undefined) this.#expectTensor(node.bias, bias);
    else if (this.#tensors.get(bias)?.place !== undefined) throw different(spec.name, `its bias`, 'none');
    this.#match(inputs[0]!, node.input, spec.name);
  }

  /** The convolution before the batch norm `name`. */
  #matchBatchNorm(name: string, expected: number, found: Node, reader: string): Node {
    if (found.op !== 'batch norm') throw different(reader, `the batch norm ${name}`, describeNode(found));
    this.#expectTensor(found.weight, `${name}.weight`);
    this.#expectTensor(found.bias, `${name}.bias`);
    this.#expectTensor(found.mean, `${name}.running_mean`);
    this.#expectTensor(found.variance, `${name}.running_var`);
    const { epsilon } = found;
    if (epsilon !== expected) {
      // The same factor with the epsilon that is used here: another weight for each channel.
      const weight = this.#tensors.get(`${name}.weight`)!;
      const variance = this.#tensors.get(`${name}.running_var`)!;
      const read = (): Float32Array => {
        const spread = variance.read();
        return weight.read().map((value, i) => {
          return value * Math.sqrt((spread[i]! + expected) / (spread[i]! + epsilon));
        });
      };
      this.#adjusted.set(`${name}.weight`, { ...weight, read });
    }
    return found.input;
  }

  #expectTensor(found: Node, name: string): void {
    if (!this.#isTensor(found, name)) throw different(name, 'this tensor of the checkpoint', describeNode(found));
  }

  /** Whether the code reads the tensor `name`: the same memory, not turned around. */
  #isTensor(found: Node, name: string): boolean {
    const place = this.#tensors.get(name)?.place;
    return found.op === 'parameter' && found.transposed !== true && place !== undefined && found.tensor.place === place;
  }
}

function expectNumbers(layer: string, what: string, found: readonly number[], expected: readonly number[]): void {
  if (found.length !== expected.length || found.some((number, index) => number !== expected[index])) {
    throw different(layer, `${what} ${expected.join(', ')}`, `${what} ${found.join(', ')}`);
  }
}

function different(where: string, expected: string, found: string): NeonsenseError {
  return new NeonsenseError(
    'ERR_MODEL_ARCHITECTURE',
    `The TorchScript code computes another network than its tensors suggest: at ${where} expected ${expected} but found ` +
      `${found}. Only MobileNetV3 as torchvision computes it can be read`,
  );
}
