import { NeonsenseError, shortened } from '../../../../errors.js';
import { elementCount } from '../../../weights.js';
import type { Node } from './graph.js';
import { simplified } from './graph.js';
import type { Value } from './values.js';
import { Tensor, UNKNOWN } from './values.js';

/** What the lists in code are changed by; only `append` is followed. */
const CHANGES_LISTS = new Set(['insert', 'pop', 'remove', 'clear', 'extend', 'reverse', 'sort', '_set_item', 'Delete']);

type Operator = (args: readonly Value[], named: ReadonlyMap<string, Value>) => Value;

/**
 * What calling PyTorch's operator `name` gives. An operator that is not known gives a tensor that only matters when the
 * answer depends on it, and nothing that is a number.
 *
 * @throws {NeonsenseError} `ERR_UNSUPPORTED` for a known one in a form that is not.
 */
export function applyOperator(name: string, args: readonly Value[], named: ReadonlyMap<string, Value>): Value {
  // By PyTorch's convention a name that ends in an underscore works in place.
  const inPlace = /[^_]_$/.test(name);
  const operator = OPERATORS.get(inPlace ? name.slice(0, -1) : name);
  if (named.has('out') || CHANGES_LISTS.has(name))
    throw unsupported(`no torch.${shortened(name, 80)} that changes its argument`);
  const result = operator === undefined ? other(`torch.${name}`) : operator(args, named);
  const [target] = args;
  if (!inPlace || !(target instanceof Tensor) || !(result instanceof Tensor)) return result;
  target.node = nodeOf(result);
  for (const view of target.views) view.isStale = view !== target;
  return target;
}

/** The node of a tensor that is about to be read. */
export function nodeOf(value: Value | undefined): Node {
  if (!(value instanceof Tensor)) throw unsupported('a tensor where it has something else');
  if (value.isStale) throw unsupported('no use of a view whose memory was changed in place');
  return value.node;
}

export function unsupported(what: string): NeonsenseError {
  return new NeonsenseError(
    'ERR_UNSUPPORTED',
    `The checkpoint's TorchScript code cannot be followed: expected ${what}. Save the weights alone: ` +
      'torch.save(model.state_dict(), path)',
  );
}

function other(name: string): Tensor {
  return new Tensor({ op: 'other', name: shortened(name, 80) }, undefined);
}

const tensor = (node: Node, rank: number | undefined): Tensor => new Tensor(simplified(node), rank);

/** An operator that changes each number alone. */
const pointwise =
  (op: 'relu' | 'hard-swish' | 'hard-sigmoid'): Operator =>
  ([x]) =>
    tensor({ op, input: nodeOf(x) }, rankOf(x));

const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ['_convolution', convolution],
  [
    'conv2d',
    ([x, weight, bias, stride, padding, dilation, groups]) => {
      return convolution([x!, weight!, bias ?? null, stride ?? 1, padding ?? 0, dilation ?? 1, false, 0, groups ?? 1]);
    },
  ],
  ['batch_norm', batchNorm],
  ['linear', ([x, weight, bias]) => linear(x, weight, bias)],
  ['addmm', ([bias, x, weight]) => linear(x, transposed(weight), bias)],
  ['t', ([weight]) => new Tensor(transposed(weight).node, 2)],
  ['relu', pointwise('relu')],
  ['hardswish', pointwise('hard-swish')],
  ['hardsigmoid', pointwise('hard-sigmoid')],
  ['relu6', ([x]) => clamp(x, 0, 6)],
  ['hardtanh', ([x, min = -1, max = 1]) => clamp(x, min, max)],
  ['clamp', ([x, min = null, max = null]) => clamp(x, min, max)],
  ['clamp_min', ([x, min = null]) => clamp(x, min, null)],
  ['dropout', dropout],
  ['feature_dropout', dropout],
  ['adaptive_avg_pool2d', ([x, size]) => (isOnes(size) ? pool(x, rankOf(x)) : other('torch.adaptive_avg_pool2d'))],
  ['mean', mean],
  [
    'flatten',
    ([x, start = 0, end = -1]) => (start === 1 && (end === -1 || end === 3) ? vector(x) : other('torch.flatten')),
  ],
  ['view', ([x, size]) => reshaped(x, size)],
  ['reshape', ([x, size]) => reshaped(x, size)],
  ['squeeze', squeeze],
  ['add', add],
  ['sub', ([a, b, alpha = 1], named) => add([a!, negated(b), named.get('alpha') ?? alpha], new Map())],
  ['mul', multiply],
  ['div', divide],
  ['neg', ([a]) => negated(a)],
  ['size', size],
  ['dim', ([x]) => rankOf(x) ?? UNKNOWN],
  ['len', ([x]) => (Array.isArray(x) ? x.length : x instanceof Map ? x.size : UNKNOWN)],
  ['eq', compared((a, b) => a === b)],
  ['ne', compared((a, b) => a !== b)],
  ['lt', compared((a, b) => a < b)],
  ['le', compared((a, b) => a <= b)],
  ['gt', compared((a, b) => a > b)],
  ['ge', compared((a, b) => a >= b)],
  ['floordiv', arithmetic((a, b) => Math.floor(a / b))],
  ['remainder', arithmetic((a, b) => a - b * Math.floor(a / b))],
  ['__is__', ([a, b]) => (a === UNKNOWN || b === UNKNOWN ? UNKNOWN : a === b)],
  ['__isnot__', ([a, b]) => (a === UNKNOWN || b === UNKNOWN ? UNKNOWN : a !== b)],
  ['__not__', ([a]) => (typeof a === 'boolean' ? !a : UNKNOWN)],
  ['__and__', ([a, b]) => (typeof a === 'boolean' && typeof b === 'boolean' ? a && b : UNKNOWN)],
  ['__or__', ([a, b]) => (typeof a === 'boolean' && typeof b === 'boolean' ? a || b : UNKNOWN)],
  [
    'append',
    ([list, item]) => {
      if (Array.isArray(list)) list.push(item!);
      return null;
    },
  ],
  ['format', () => ''],
  ['warn', () => null],
  ['to', ([x, type]) => (isFloatType(type) ? sameNumbers(x) : other('torch.to'))],
  ['contiguous', ([x]) => sameNumbers(x)],
  ['detach', ([x]) => sameNumbers(x)],
  ['clone', ([x]) => new Tensor(nodeOf(x), rankOf(x))],
]);

function rankOf(value: Value | undefined): number | undefined {
  return value instanceof Tensor ? value.rank : undefined;
}

/** Work done in place looks at all views of the tensor. */
const MOST_VIEWS = 100;

/** Another view of the same numbers. */
function sameNumbers(value: Value | undefined, rank = rankOf(value)): Value {
  if (!(value instanceof Tensor)) return value ?? null;
  if (value.views.length > MOST_VIEWS) throw unsupported('fewer views of one tensor');
  return new Tensor(nodeOf(value), rank, value.views);
}

/** PyTorch's numbers of float32, float64 and float16, or a tensor or nothing: none changes what is meant. */
function isFloatType(type: Value | undefined): boolean {
  return type === 5 || type === 6 || type === 7 || type === null || type === undefined || type instanceof Tensor;
}

/** Numbers one for each axis, or one for both. */
function pair(value: Value | undefined, what: string): readonly number[] {
  const items = Array.isArray(value) ? value : [value];
  if (!items.every((item) => typeof item === 'number') || items.length < 1 || items.length > 2) {
    throw unsupported(`numbers for the ${what} of a convolution`);
  }
  return items.length === 1 ? [items[0] as number, items[0] as number] : (items as number[]);
}

function convolution([x, weight, bias, stride, padding, dilation, isTransposed, , groups]: readonly Value[]): Value {
  if (isTransposed !== false) return other('a transposed convolution');
  if (typeof groups !== 'number') throw unsupported('a number for the groups of a convolution');
  return tensor(
    {
      op: 'convolution',
      input: nodeOf(x),
      weight: nodeOf(weight),
      bias: optional(bias),
      stride: pair(stride, 'stride'),
      padding: pair(padding, 'padding'),
      dilation: pair(dilation, 'dilation'),
      groups,
    },
    4,
  );
}

function batchNorm([x, weight, bias, mean, variance, isTraining, , epsilon]: readonly Value[]): Value {
  if (isTraining !== false) throw unsupported('batch norm of evaluation: call model.eval() before tracing');
  if (typeof epsilon !== 'number') throw unsupported('a number for the epsilon of batch norm');
  if (weight === null || bias === null || mean === null || variance === null)
    return other('a batch norm without weights');
  const parts = { weight: nodeOf(weight), bias: nodeOf(bias), mean: nodeOf(mean), variance: nodeOf(variance) };
  return tensor({ op: 'batch norm', input: nodeOf(x), ...parts, epsilon }, rankOf(x));
}

function linear(x: Value | undefined, weight: Value | undefined, bias: Value | undefined): Value {
  return tensor({ op: 'linear', input: nodeOf(x), weight: nodeOf(weight), bias: optional(bias) }, rankOf(x));
}

function transposed(weight: Value | undefined): Tensor {
  const node = nodeOf(weight);
  if (node.op !== 'parameter') return other('torch.t');
  return new Tensor({ ...node, transposed: node.transposed !== true }, 2);
}

function optional(value: Value | undefined): Node | undefined {
  return value === null || value === undefined ? undefined : nodeOf(value);
}

function clamp(x: Value | undefined, min: Value, max: Value): Value {
  if (x === UNKNOWN) return UNKNOWN;
  const low = min === null ? -Infinity : min;
  const high = max === null ? Infinity : max;
  if (typeof low !== 'number' || typeof high !== 'number') return other('torch.clamp');
  if (low === 0 && high === Infinity) return tensor({ op: 'relu', input: nodeOf(x) }, rankOf(x));
  return tensor({ op: 'clamp', input: nodeOf(x), min: low, max: high }, rankOf(x));
}

function dropout([x, , isTraining]: readonly Value[]): Value {
  if (isTraining !== false) throw unsupported('no dropout: call model.eval() before tracing');
  return sameNumbers(x);
}

function isOnes(size: Value | undefined): boolean {
  return size === 1 || (Array.isArray(size) && size.length > 0 && size.every((side) => side === 1));
}

function pool(x: Value | undefined, rank: number | undefined): Value {
  return tensor({ op: 'global average pool', input: nodeOf(x) }, rank);
}

/** The mean over height and width. */
function mean([x, axes, keepsAxes = false]: readonly Value[]): Value {
  const sorted = Array.isArray(axes)
    ? axes.map((axis) => (typeof axis === 'number' && axis < 0 ? axis + 4 : axis)).sort()
    : [];
  if (rankOf(x) !== 4 || sorted.join() !== '2,3') return other('torch.mean');
  return pool(x, keepsAxes === true ? 4 : 2);
}

/** Operators between the pooling and what turns its result into a vector; more are no classifier. */
const LONGEST_HEAD = 64;

/** Only of pooled values, whose height and width are 1, are the channels in the same order afterwards. */
function isPooled(node: Node): boolean {
  let at = node;
  for (let steps = 0; steps < LONGEST_HEAD; steps++) {
    switch (at.op) {
      case 'global average pool':
        return true;
      case 'convolution':
        if (at.padding.some((zeros) => zeros !== 0)) return false;
        break;
      case 'relu':
      case 'hard-swish':
      case 'hard-sigmoid':
      case 'clamp':
      case 'affine':
      case 'batch norm':
        break;
      default:
        return false;
    }
    at = at.input;
  }
  return false;
}

function vector(x: Value | undefined): Value {
  if (rankOf(x) === 2) return sameNumbers(x);
  return isPooled(nodeOf(x)) ? sameNumbers(x, 2) : other('torch.flatten of more than one pixel');
}

/** `[N, C]` of `[N, C, 1, 1]`, where one of the two lengths is left open or is the size of a batch. */
function reshaped(x: Value | undefined, size: Value | undefined): Value {
  const node = nodeOf(x);
  if (node.op === 'parameter') return reshapedParameter(node, size);
  const [images, channels] = Array.isArray(size) && size.length === 2 ? size : [];
  const known = channelsOf(node);
  const fits =
    channels === known && known !== undefined ? true : channels === -1 && (images === UNKNOWN || images === 1);
  return fits ? vector(x) : other('torch.reshape');
}

/** A constant in another shape, such as `[1, 3, 1, 1]`. */
function reshapedParameter(node: Node & { op: 'parameter' }, size: Value | undefined): Value {
  const shape = Array.isArray(size) ? size : [];
  const isWhole = shape.every((side) => typeof side === 'number' && side >= 0) && node.transposed !== true;
  if (!isWhole || elementCount(shape as number[]) !== elementCount(node.tensor.shape)) return other('torch.reshape');
  // No longer the tensor of the checkpoint, so not at its place.
  const { type, read } = node.tensor;
  return new Tensor({ ...node, tensor: { type, read, shape: shape as number[] } }, shape.length);
}

function channelsOf(node: Node): number | undefined {
  let at = node;
  for (let steps = 0; steps < LONGEST_HEAD; steps++) {
    if (at.op === 'convolution' || at.op === 'linear') {
      return at.weight.op === 'parameter' ? at.weight.tensor.shape[0] : undefined;
    }
    if (!('input' in at)) return undefined;
    at = at.input;
  }
  return undefined;
}

function squeeze([x, axis]: readonly Value[]): Value {
  const rank = rankOf(x);
  if (rank === undefined || !isPooled(nodeOf(x)) || (axis === undefined && rank === 4)) return other('torch.squeeze');
  const at = typeof axis === 'number' && axis < 0 ? axis + rank : axis;
  return typeof at === 'number' && at >= 2 && at < rank ? sameNumbers(x, rank - 1) : other('torch.squeeze');
}

function size([x, axis]: readonly Value[]): Value {
  if (axis !== undefined) return UNKNOWN;
  const rank = rankOf(x);
  return rank === undefined ? UNKNOWN : new Array<Value>(rank).fill(UNKNOWN);
}

function add([a, b, alpha]: readonly Value[], named: ReadonlyMap<string, Value>): Value {
  const factor = named.get('alpha') ?? alpha ?? 1;
  if (typeof a === 'string' || Array.isArray(a)) return concatenated(a, b);
  if (!(a instanceof Tensor) && !(b instanceof Tensor)) return arithmetic((x, y) => x + y)([a!, b!], named);
  if (a === UNKNOWN || b === UNKNOWN) return UNKNOWN;
  const [x, numbers] = constantOperand(a, b);
  if (numbers !== undefined && typeof factor === 'number') {
    // `a + alpha * b`: the factor belongs to the second.
    const isSecond = x === a;
    return scaled(x, isSecond ? [1] : [factor], isSecond ? numbers.map((n) => n * factor) : numbers);
  }
  if (factor === 1) return tensor({ op: 'add', input: nodeOf(a), other: nodeOf(b) }, rankOf(a));
  return other('torch.add with a factor');
}

/** Doubling a list or text in a loop must not use up memory. */
const LONGEST_LIST = 10_000;

function concatenated(a: string | Value[], b: Value | undefined): Value {
  if (a.length + ((b as { length?: number }).length ?? 0) > LONGEST_LIST) throw unsupported('shorter lists');
  if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
  return typeof a === 'string' && typeof b === 'string' ? a + b : UNKNOWN;
}

function multiply([a, b]: readonly Value[], named: ReadonlyMap<string, Value>): Value {
  if (!(a instanceof Tensor) && !(b instanceof Tensor)) return arithmetic((x, y) => x * y)([a!, b!], named);
  if (a === UNKNOWN || b === UNKNOWN) return UNKNOWN;
  const [x, numbers] = constantOperand(a, b);
  if (numbers !== undefined) return scaled(x, numbers, [0]);
  return tensor({ op: 'multiply', input: nodeOf(a), other: nodeOf(b) }, Math.max(rankOf(a) ?? 0, rankOf(b) ?? 0));
}

function divide([a, b]: readonly Value[], named: ReadonlyMap<string, Value>): Value {
  if (named.has('rounding_mode')) return other('torch.div with rounding');
  if (!(a instanceof Tensor) && !(b instanceof Tensor)) return arithmetic((x, y) => x / y)([a!, b!], named);
  if (a === UNKNOWN || b === UNKNOWN) return UNKNOWN;
  const numbers = constantNumbers(b);
  if (numbers === undefined || !(a instanceof Tensor)) return other('torch.div');
  return scaled(
    a,
    numbers.map((number) => 1 / number),
    [0],
  );
}

function negated(value: Value | undefined): Value {
  if (typeof value === 'number') return -value;
  if (!(value instanceof Tensor)) return UNKNOWN;
  const numbers = constantNumbers(value);
  // A constant stays one: it may be what is subtracted.
  if (numbers !== undefined && value.node.op === 'parameter') {
    const { tensor: constant } = value.node;
    const minus = { type: constant.type, shape: constant.shape, read: () => constant.read().map((number) => -number) };
    return new Tensor({ ...value.node, tensor: minus }, value.rank);
  }
  return scaled(value, [-1], [0]);
}

/** The operand that is no constant, and the other's numbers. */
function constantOperand(a: Value | undefined, b: Value | undefined): [Value | undefined, number[] | undefined] {
  const second = constantNumbers(b);
  if (second !== undefined) return [a, second];
  const first = constantNumbers(a);
  return first === undefined ? [a, undefined] : [b, first];
}

/** A number, or the numbers of a tensor that holds one, or one for each channel of a picture. */
function constantNumbers(value: Value | undefined): number[] | undefined {
  if (typeof value === 'number') return [value];
  if (!(value instanceof Tensor) || value.node.op !== 'parameter' || value.isStale) return undefined;
  const { shape, read } = value.node.tensor;
  const isScalar = elementCount(shape) === 1;
  const isPerChannel = /^(1,)?3,1,1$/.test(shape.join());
  return isScalar || isPerChannel ? [...read()] : undefined;
}

/** `factor * x + offset`; of the input it is kept apart, one number or one for each channel. */
function scaled(x: Value | undefined, factor: readonly number[], offset: readonly number[]): Value {
  const node = nodeOf(x);
  const rank = rankOf(x);
  const apply = (numbers: readonly number[], then: (n: number, channel: number) => number): number[] => {
    const length = Math.max(numbers.length, factor.length, offset.length);
    return Array.from({ length }, (_, i) => then(numbers[numbers.length === 1 ? 0 : i]!, i));
  };
  const at = (numbers: readonly number[], i: number): number => numbers[numbers.length === 1 ? 0 : i]!;
  if (node.op === 'image' || node.op === 'scaled image') {
    const old = node.op === 'image' ? { scale: [1], offset: [0] } : node;
    const scale = apply(old.scale, (n, i) => n * at(factor, i));
    const shift = apply(old.offset, (n, i) => n * at(factor, i) + at(offset, i));
    const isSame = scale.every((n) => n === 1) && shift.every((n) => n === 0);
    return tensor(isSame ? { op: 'image' } : { op: 'scaled image', scale, offset: shift }, rank);
  }
  if (factor.length > 1 || offset.length > 1) return other('a value times one number for each channel');
  if (factor[0] === 1 && offset[0] === 0) return new Tensor(node, rank);
  return tensor({ op: 'affine', input: node, factor: factor[0]!, offset: offset[0]! }, rank);
}

function compared(compare: (a: number | string | boolean, b: number | string | boolean) => boolean): Operator {
  return ([a, b]) => (isPlain(a) && isPlain(b) ? compare(a, b) : UNKNOWN);
}

function isPlain(value: Value | undefined): value is number | string | boolean {
  return typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean';
}

function arithmetic(calculate: (a: number, b: number) => number): Operator {
  return ([a, b]) => (typeof a === 'number' && typeof b === 'number' ? calculate(a, b) : UNKNOWN);
}
