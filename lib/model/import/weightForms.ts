import { NeonsenseError, quoted } from '../../errors.js';
import { elementCount } from '../weights.js';
import type { StateDict, StateTensor } from './stateDict.js';

/**
 * `tensors` with every weight under its own name that training kept in another form: pruning that was not made permanent
 * (`weight_orig`, `weight_mask`) and weight normalization, old (`weight_g`, `weight_v`) and new
 * (`parametrizations.weight.original0` and `1`). Each is computed when it is read.
 *
 * @throws {NeonsenseError} `ERR_UNSUPPORTED` for a form that cannot be computed from its tensors alone, naming it.
 */
export function plainWeights(tensors: StateDict): Map<string, StateTensor> {
  refuseUnfinished(tensors);
  const plain = new Map<string, StateTensor>();
  for (const [name, tensor] of tensors) {
    const form = FORMS.find(({ first }) => first.test(name));
    if (form === undefined) {
      if (!FORMS.some(({ second }) => second.test(name))) plain.set(name, tensor);
      continue;
    }
    const other = tensors.get(name.replace(form.first, form.partner));
    if (other === undefined) {
      throw new NeonsenseError(
        'ERR_UNSUPPORTED',
        `Tensor ${quoted(name)} is a weight before a reparametrization that is not pruning or weight norm (spectral ` +
          'norm?). Remove it before saving: torch.nn.utils.parametrize.remove_parametrizations or remove_spectral_norm',
      );
    }
    const whole = name.replace(form.first, form.whole);
    if (tensors.has(whole)) throw twice(whole);
    plain.set(whole, form.combine(tensor, other, whole));
  }
  return plain;
}

interface Form {
  readonly first: RegExp;
  /** What `first` is replaced with for the tensor that belongs to it. */
  readonly partner: string;
  readonly second: RegExp;
  /** What `first` is replaced with for the weight itself. */
  readonly whole: string;
  readonly combine: (first: StateTensor, second: StateTensor, name: string) => StateTensor;
}

const FORMS: readonly Form[] = [
  {
    first: /(^|\.)(weight|bias)_orig$/,
    partner: '$1$2_mask',
    second: /(^|\.)(weight|bias)_mask$/,
    whole: '$1$2',
    combine: masked,
  },
  {
    first: /(^|\.)(weight|bias)_g$/,
    partner: '$1$2_v',
    second: /(^|\.)(weight|bias)_v$/,
    whole: '$1$2',
    combine: weightNormalized,
  },
  {
    first: /(^|\.)parametrizations\.(\w+)\.original0$/,
    partner: '$1parametrizations.$2.original1',
    second: /(^|\.)parametrizations\.\w+\.original1$/,
    whole: '$1$2',
    combine: weightNormalized,
  },
  {
    // Any other parametrization has one original and keeps what it needs in modules beside it.
    first: /(^|\.)parametrizations\.(\w+)\.original$/,
    partner: '',
    second: /(?!)/,
    whole: '$1$2',
    combine: masked,
  },
];

/** As torch.nn.utils.prune applies its mask. */
function masked(original: StateTensor, mask: StateTensor, name: string): StateTensor {
  if (!sameShape(original.shape, mask.shape)) throw misshapen(name, 'mask', mask.shape, original.shape);
  const read = (): Float32Array => {
    const keep = mask.read();
    // Adding 0 turns the -0 of a negative weight into +0.
    return original.read().map((value, index) => value * keep[index]! + 0);
  };
  return { shape: original.shape, type: 'float', read };
}

/** `g * v / |v|`, the norm over all axes but those along which `g` has a value each. */
function weightNormalized(g: StateTensor, v: StateTensor, name: string): StateTensor {
  const { shape } = v;
  const kept = shape.map((size, axis) => g.shape.length === shape.length && g.shape[axis] === size);
  const expected = g.shape.length === 0 ? [] : shape.map((size, axis) => (kept[axis] ? size : 1));
  if (!sameShape(g.shape, expected)) throw misshapen(name, 'norm', g.shape, shape);
  const read = (): Float32Array => {
    const values = v.read();
    const norms = g.read();
    const squares = new Float64Array(norms.length);
    const groups = groupsOf(shape, kept);
    values.forEach((value, index) => {
      squares[groups(index)]! += value * value;
    });
    return values.map((value, index) => (value * norms[groups(index)]!) / Math.sqrt(squares[groups(index)]!));
  };
  return { shape, type: 'float', read };
}

/** Gives the position of an element among the axes that are `kept`. */
function groupsOf(shape: readonly number[], kept: readonly boolean[]): (index: number) => number {
  const axes: { inner: number; size: number; stride: number }[] = [];
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (!kept[axis]) continue;
    axes.push({ inner: elementCount(shape.slice(axis + 1)), size: shape[axis]!, stride });
    stride *= shape[axis]!;
  }
  return (index) =>
    axes.reduce((sum, { inner, size, stride: step }) => sum + (Math.floor(index / inner) % size) * step, 0);
}

/** Names by which quantization tools leave a network between two of their steps. */
function refuseUnfinished(tensors: StateDict): void {
  for (const name of tensors.keys()) {
    if (/(^|[._])(activation_post_process|weight_fake_quant|fake_quant_enabled)/.test(name)) {
      throw new NeonsenseError(
        'ERR_UNSUPPORTED',
        `The checkpoint was prepared for quantization but not converted: it holds observers such as ${quoted(name, 80)}. ` +
          'Convert it first (torch.ao.quantization.convert, or convert_fx), or save the float network and let ' +
          'neonsense quantize it: neonsense compress --quantize',
      );
    }
    if (/^\w+_(scale|zero_point)_\d+$/.test(name) && !name.includes('.')) {
      throw new NeonsenseError(
        'ERR_UNSUPPORTED',
        'The checkpoint was statically quantized by PyTorch FX graph mode: it holds scales of a traced graph such as ' +
          `${quoted(name, 80)}, whose code is not in the file. Save the float state_dict and let neonsense quantize ` +
          'it: neonsense compress --quantize static',
      );
    }
  }
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function misshapen(name: string, what: string, found: readonly number[], whole: readonly number[]): NeonsenseError {
  return new NeonsenseError(
    'ERR_MODEL_ARCHITECTURE',
    `The ${what} of tensor ${quoted(name)} has shape [${found.join(', ')}], which does not fit its [${whole.join(', ')}]`,
  );
}

function twice(name: string): NeonsenseError {
  return new NeonsenseError(
    'ERR_MODEL_ARCHITECTURE',
    `The checkpoint holds tensor ${quoted(name)} twice, as it is and in another form: save only one network`,
  );
}
