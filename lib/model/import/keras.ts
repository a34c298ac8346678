import { PRESETS } from '../preprocessing.js';
import type { Layout, Place, PlacedTensor, Translation } from './layout.js';
import { torchvisionNames, unfit } from './layout.js';
import type { StateDict, StateTensor } from './stateDict.js';
import { transposed } from './transposed.js';

/** What every Keras network here has in common: TensorFlow's padding, pixels from -1 to 1, an epsilon of 0.001. */
function translation(placed: readonly PlacedTensor[], strangers: StateDict, layout: string): Translation {
  return {
    tensors: torchvisionNames(placed, strangers),
    layout,
    conventions: { padding: 'same' },
    preprocessing: { ...PRESETS.keras, assumed: true },
  };
}

/**
 * Names by the part a layer plays, batch norm folded: `stem`, `features.N.exp`, `.dw`, `.se.fc1`, `.se.fc2`, `.pr`,
 * `last`, and for the classifier `hidden` and `head`. Convolutions are in PyTorch's order, `[O, I, KH, KW]`, matrices of
 * the classifier in Keras', `[I, O]`.
 */
export const KERAS_FOLDED: Layout = {
  matches: (tensors) => tensors.has('stem.weight') && tensors.has('last.weight'),
  translate: (tensors) => {
    const placed: PlacedTensor[] = [];
    const strangers = new Map<string, StateTensor>();
    for (const [name, tensor] of tensors) {
      const [, block, module = '', part = ''] = FOLDED_NAME.exec(name) ?? [];
      const role = FOLDED_ROLES.get(module);
      if (role === undefined || IN_BLOCK.has(role) !== (block !== undefined)) {
        strangers.set(name, tensor);
        continue;
      }
      const place = { role, part: part as 'weight' | 'bias', ...(block === undefined ? {} : { block: +block - 1 }) };
      const isMatrix = (role === 'hidden' || role === 'logits') && part === 'weight';
      placed.push({ place, tensor: isMatrix ? transposed(tensor, [1, 0]) : tensor });
    }
    return translation(placed, strangers, 'Keras, folded');
  },
};

const FOLDED_NAME = /^(?:features\.([1-9]\d?)\.)?(stem|last|hidden|head|exp|dw|se\.fc1|se\.fc2|pr)\.(weight|bias)$/;
const FOLDED_ROLES: ReadonlyMap<string, Place['role']> = new Map([
  ['stem', 'stem'],
  ['exp', 'expand'],
  ['dw', 'depthwise'],
  ['se.fc1', 'squeeze'],
  ['se.fc2', 'excite'],
  ['pr', 'project'],
  ['last', 'last'],
  ['hidden', 'hidden'],
  ['head', 'logits'],
]);
const IN_BLOCK: ReadonlySet<Place['role']> = new Set(['expand', 'depthwise', 'squeeze', 'excite', 'project']);

/**
 * Keras Applications' own names, as `{w.path: w.numpy() for w in model.weights}` has them: `conv/kernel`,
 * `expanded_conv_3_depthwise_bn/gamma`. The classifier is its own (`conv_2`, `logits`), absent, or one Dense layer that
 * was put behind the pooled features.
 */
export const KERAS: Layout = {
  matches: (tensors) => [...tensors.keys()].some((name) => /(^|\/)expanded_conv[/_]/.test(name)),
  translate: (tensors) => {
    const placed: PlacedTensor[] = [];
    const strangers = new Map<string, StateTensor>();
    const dense = new Set<string>();
    for (const [name, tensor] of tensors) {
      const place = kerasPlace(name);
      if (place === undefined && isDense(name, tensor)) {
        dense.add(name.replace(/[^/]*$/, ''));
        placed.push({
          place: { role: 'logits', part: tensor.shape.length === 2 ? 'weight' : 'bias' },
          tensor: tensor.shape.length === 2 ? transposed(tensor, [1, 0]) : tensor,
        });
      } else if (place === undefined) strangers.set(name, tensor);
      else placed.push({ place, tensor: place.part === 'weight' ? inTorchOrder(tensor, place.role) : tensor });
    }
    const ownHead = placed.some(({ place }) => place.role === 'hidden');
    if (dense.size > 1 || (dense.size === 1 && ownHead)) {
      throw unfit(
        `behind its features are the layers ${[...dense].map((layer) => layer.slice(0, -1)).join(' and ')}; what is ` +
          'applied between them cannot be told from their weights',
      );
    }
    return translation(placed, strangers, 'Keras');
  },
};

const NORM_PARTS: ReadonlyMap<string, Place['part']> = new Map([
  ['gamma', 'norm.weight'],
  ['beta', 'norm.bias'],
  ['moving_mean', 'norm.running_mean'],
  ['moving_variance', 'norm.running_var'],
]);
const KERAS_ROLES: ReadonlyMap<string, Place['role']> = new Map([
  ['expand', 'expand'],
  ['depthwise', 'depthwise'],
  ['squeeze_excite_conv', 'squeeze'],
  ['squeeze_excite_conv_1', 'excite'],
  ['project', 'project'],
  ['conv', 'stem'],
  ['conv_1', 'last'],
  ['conv_2', 'hidden'],
  ['logits', 'logits'],
]);
const KERAS_NAME =
  /(?:^|\/)(?:(expanded_conv)(?:_(\d{1,2}))?_)?([a-z]+(?:_excite_conv)?(?:_\d)??)(_bn)?\/(kernel|bias|gamma|beta|moving_mean|moving_variance)$/;

function kerasPlace(name: string): Place | undefined {
  const [, inBlock, number = '0', module = '', norm, tensor = ''] = KERAS_NAME.exec(name) ?? [];
  const role = KERAS_ROLES.get(module);
  if (role === undefined || IN_BLOCK.has(role) !== (inBlock !== undefined)) return undefined;
  const part = norm === undefined ? (tensor === 'kernel' ? 'weight' : tensor) : NORM_PARTS.get(tensor);
  if (part === undefined) return undefined;
  return { role, part: part as Place['part'], ...(inBlock === undefined ? {} : { block: Number(number) }) };
}

function isDense(name: string, { shape }: StateTensor): boolean {
  return (/\/kernel$/.test(name) && shape.length === 2) || (/\/bias$/.test(name) && shape.length === 1);
}

/** Keras keeps `[KH, KW, I, O]`, and `[KH, KW, C, 1]` for a depthwise convolution. */
function inTorchOrder(tensor: StateTensor, role: Place['role']): StateTensor {
  if (tensor.shape.length !== 4) throw unfit(`a kernel has shape [${tensor.shape.join(', ')}]`);
  return transposed(tensor, role === 'depthwise' ? [2, 3, 0, 1] : [3, 2, 0, 1]);
}
