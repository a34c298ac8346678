import type { StateTensor } from '../../stateDict.js';

/** What TorchScript code computes, as a graph of the operators that matter here. */
export type Node =
  /** The network's input, `[N, 3, H, W]`. */
  | { readonly op: 'image' }
  /** `scale * image + offset`, each one number or one per channel. */
  | { readonly op: 'scaled image'; readonly scale: readonly number[]; readonly offset: readonly number[] }
  /** A tensor of the checkpoint. */
  | { readonly op: 'parameter'; readonly name: string; readonly tensor: StateTensor; readonly transposed?: boolean }
  | {
      readonly op: 'convolution';
      readonly input: Node;
      readonly weight: Node;
      readonly bias: Node | undefined;
      readonly stride: readonly number[];
      readonly padding: readonly number[];
      readonly dilation: readonly number[];
      readonly groups: number;
    }
  | {
      readonly op: 'batch norm';
      readonly input: Node;
      readonly weight: Node;
      readonly bias: Node;
      readonly mean: Node;
      readonly variance: Node;
      readonly epsilon: number;
    }
  | { readonly op: 'linear'; readonly input: Node; readonly weight: Node; readonly bias: Node | undefined }
  | { readonly op: 'relu' | 'hard-swish' | 'hard-sigmoid' | 'global average pool'; readonly input: Node }
  | { readonly op: 'clamp'; readonly input: Node; readonly min: number; readonly max: number }
  /** `factor * input + offset` of what is not the image. */
  | { readonly op: 'affine'; readonly input: Node; readonly factor: number; readonly offset: number }
  | { readonly op: 'multiply' | 'add'; readonly input: Node; readonly other: Node }
  /** Anything else: it only matters when the answer depends on it. */
  | { readonly op: 'other'; readonly name: string };

/** A graph's node in a few words. */
export function describeNode(node: Node): string {
  switch (node.op) {
    case 'image':
      return 'the input';
    case 'scaled image':
      return `the input times ${shown(node.scale)} plus ${shown(node.offset)}`;
    case 'parameter':
      return `the tensor ${node.name}`;
    case 'clamp':
      return `a clamp to ${node.min} and ${node.max}`;
    case 'affine':
      return `a value times ${node.factor} plus ${node.offset}`;
    case 'convolution':
    case 'linear':
      return `a ${node.op} with ${node.weight.op === 'parameter' ? node.weight.name : 'a weight that is computed'}`;
    case 'other':
      return node.name;
    default:
      return `a ${node.op}`;
  }
}

function shown(numbers: readonly number[]): string {
  const texts = numbers.map((number) => String(Number(number.toPrecision(5))));
  return texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
}

/** The nodes that stand for an operator written out: hard-sigmoid and hard-swish as they are in papers. */
export function simplified(node: Node): Node {
  if (node.op === 'affine' && node.offset === 0 && isSixth(node.factor)) {
    // clamp(x + 3, 0, 6) / 6, and x * clamp(x + 3, 0, 6) / 6.
    const gated = gateOf(node.input);
    if (gated !== undefined) return { op: 'hard-sigmoid', input: gated };
    if (node.input.op === 'multiply') {
      const { input, other } = node.input;
      if (gateOf(other) === input) return { op: 'hard-swish', input };
      if (gateOf(input) === other) return { op: 'hard-swish', input: other };
    }
  }
  if (node.op === 'multiply') {
    const { input, other } = node;
    if (other.op === 'hard-sigmoid' && other.input === input) return { op: 'hard-swish', input };
    if (input.op === 'hard-sigmoid' && input.input === other) return { op: 'hard-swish', input: other };
  }
  return node;
}

/** `x` of `clamp(x + 3, 0, 6)`. */
function gateOf(node: Node): Node | undefined {
  if (node.op !== 'clamp' || node.min !== 0 || node.max !== 6 || node.input.op !== 'affine') return undefined;
  const { factor, offset, input } = node.input;
  return factor === 1 && offset === 3 ? input : undefined;
}

function isSixth(factor: number): boolean {
  return Math.abs(factor * 6 - 1) < 1e-6;
}

/** The tensors a graph reads, by name; undefined where part of the graph is not known. */
export function parametersOf(graph: Node): ReadonlySet<string> | undefined {
  const names = new Set<string>();
  const seen = new Set<Node>();
  const waiting: (Node | undefined)[] = [graph];
  for (let node = waiting.pop(); node !== undefined || waiting.length > 0; node = waiting.pop()) {
    if (node === undefined || seen.has(node)) continue;
    seen.add(node);
    if (node.op === 'other') return undefined;
    if (node.op === 'parameter') names.add(node.name);
    for (const value of Object.values(node) as unknown[]) {
      if (typeof value === 'object' && value !== null && 'op' in value) waiting.push(value as Node);
    }
  }
  return names;
}
