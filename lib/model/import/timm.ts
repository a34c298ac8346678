import { shortened } from '../../errors.js';
import { PRESETS } from '../preprocessing.js';
import type { Layout, Place, PlacedTensor } from './layout.js';
import { torchvisionNames, unfit, zeros } from './layout.js';
import type { StateDict, StateTensor } from './stateDict.js';

/** What timm's batch norms add to the variance, but for its networks whose names begin with `tf_`. */
const TIMM_EPSILON = 1e-5;

/**
 * timm's names: mobilenetv3_small_* and mobilenetv3_large_*, and `tf_` before them. The weights do not show which: they
 * are taken for PyTorch's own, with PyTorch's padding and epsilon, unless somebody says otherwise.
 */
export const TIMM: Layout = {
  matches: (tensors) => tensors.has('conv_stem.weight'),
  translate: (tensors) => {
    if (!tensors.has('conv_head.bias')) {
      throw unfit("its conv_head has no bias, as in timm's mobilenetv3_rw, which leaves out the first sum");
    }
    if (![...tensors.keys()].some((name) => name.includes('.se.'))) {
      throw unfit("it has no squeeze-and-excitation, as timm's networks of names with minimal");
    }
    const { placed, strangers } = placedTensors(tensors);
    placeClassifier(placed, strangers);
    return {
      tensors: torchvisionNames(placed, strangers),
      layout: 'timm',
      conventions: { batchNormEpsilon: TIMM_EPSILON },
      preprocessing: { ...PRESETS.timm, assumed: true },
    };
  },
};

function placedTensors(tensors: StateDict): { placed: PlacedTensor[]; strangers: Map<string, StateTensor> } {
  const blocks = blockKinds(tensors);
  const placed: PlacedTensor[] = [];
  const strangers = new Map<string, StateTensor>();
  for (const [name, tensor] of tensors) {
    const place = placeOf(name, blocks);
    if (place === undefined) strangers.set(name, tensor);
    else placed.push({ place, tensor });
  }
  return { placed, strangers };
}

/**
 * The one Linear that somebody put in the place of timm's classifier, whatever it is called: its tensors move from
 * `strangers` to `placed`.
 */
function placeClassifier(placed: PlacedTensor[], strangers: Map<string, StateTensor>): void {
  const linear = [...strangers].flatMap(([name, { shape }]) =>
    shape.length === 2 ? [name.replace(/\.weight$/, '')] : [],
  );
  if (placed.some(({ place }) => place.role === 'logits')) return;
  const [module] = linear;
  if (module === undefined || linear.length > 1) {
    const found = linear.length === 0 ? 'no linear layer' : `the linear layers ${shortened(linear.join(' and '), 160)}`;
    throw unfit(`behind conv_head it has ${found}, where timm has one`);
  }
  const [weight, bias] = [strangers.get(`${module}.weight`)!, strangers.get(`${module}.bias`)];
  placed.push({ place: { role: 'logits', part: 'weight' }, tensor: weight });
  placed.push({ place: { role: 'logits', part: 'bias' }, tensor: bias ?? zeros(weight.shape[0]!) });
  for (const part of ['weight', 'bias']) strangers.delete(`${module}.${part}`);
}

type Kind = 'separable' | 'inverted' | 'convolution';

/** timm's three kinds of blocks: which layer each module is, and which layer's batch norm. */
const MODULES: Readonly<Record<Kind, ReadonlyMap<string, Place['role']>>> = {
  separable: new Map([
    ['conv_dw', 'depthwise'],
    ['bn1', 'depthwise'],
    ['se.conv_reduce', 'squeeze'],
    ['se.conv_expand', 'excite'],
    ['conv_pw', 'project'],
    ['bn2', 'project'],
  ]),
  inverted: new Map([
    ['conv_pw', 'expand'],
    ['bn1', 'expand'],
    ['conv_dw', 'depthwise'],
    ['bn2', 'depthwise'],
    ['se.conv_reduce', 'squeeze'],
    ['se.conv_expand', 'excite'],
    ['conv_pwl', 'project'],
    ['bn3', 'project'],
  ]),
  convolution: new Map([
    ['conv', 'last'],
    ['bn1', 'last'],
  ]),
};

const OUTSIDE: ReadonlyMap<string, Place['role']> = new Map([
  ['conv_stem', 'stem'],
  ['bn1', 'stem'],
  ['conv_head', 'hidden'],
  ['classifier', 'logits'],
]);

const TENSOR = /^(?:blocks\.(\d{1,2})\.(\d{1,2})\.)?((?:se\.)?[a-z_]+\d?)\.(weight|bias|running_mean|running_var)$/;

/** Kind and position of each block by timm's numbers, `stage.index`. */
function blockKinds(tensors: StateDict): ReadonlyMap<string, { kind: Kind; index: number }> {
  const modules = new Map<string, Set<string>>();
  for (const name of tensors.keys()) {
    const [, stage, index, module] = TENSOR.exec(name) ?? [];
    if (stage === undefined) continue;
    const key = `${stage}.${index}`;
    modules.set(key, (modules.get(key) ?? new Set()).add(module!));
  }
  const order = (key: string): number => Number(key.split('.')[0]) * 100 + Number(key.split('.')[1]);
  const sorted = [...modules].sort(([a], [b]) => order(a) - order(b));
  return new Map(
    sorted.map(([key, names], index) => {
      const kind = names.has('conv') ? 'convolution' : names.has('conv_pwl') ? 'inverted' : 'separable';
      return [key, { kind, index }];
    }),
  );
}

function placeOf(name: string, blocks: ReturnType<typeof blockKinds>): Place | undefined {
  const [, stage, index, module = '', tensor = ''] = TENSOR.exec(name) ?? [];
  const block = stage === undefined ? undefined : blocks.get(`${stage}.${index}`);
  const role = (block === undefined ? OUTSIDE : MODULES[block.kind]).get(module);
  if (role === undefined) return undefined;
  const part = (module.startsWith('bn') ? `norm.${tensor}` : tensor) as Place['part'];
  return block === undefined || block.kind === 'convolution' ? { role, part } : { role, part, block: block.index };
}
