import { shortened } from '../../errors.js';
import type { Layout } from './layout.js';
import { unfit, zeros } from './layout.js';
import type { StateDict, StateTensor } from './stateDict.js';

/** Names of the network's feature modules. */
const FEATURES = 'features.';

/**
 * torchvision's names. The classifier may be one Linear or two, under any names that come after the features, with
 * Dropouts (which have no tensors) anywhere between, and without a bias.
 */
export const TORCHVISION: Layout = {
  matches: (tensors) => tensors.has(`${FEATURES}0.0.weight`),
  translate: (tensors) => ({ tensors: withHead(tensors) }),
};

function withHead(tensors: StateDict): StateDict {
  const linear = [...tensors].flatMap(([name, { shape }]) => {
    const module = /^(?!features\.)(.*)\.weight$/.exec(name)?.[1];
    return module !== undefined && shape.length === 2 ? [module] : [];
  });
  const names = headNames(linear, tensors);
  const renamed = new Map<string, StateTensor>();
  for (const [name, tensor] of tensors) {
    const module = linear.find((candidate) => name.startsWith(`${candidate}.`));
    renamed.set(module === undefined ? name : names.get(module)! + name.slice(module.length), tensor);
  }
  for (const module of names.values()) {
    const bias = `${module}.bias`;
    if (!renamed.has(bias)) renamed.set(bias, zeros(renamed.get(`${module}.weight`)!.shape[0]!));
  }
  return renamed;
}

/** What the Linear modules of a classifier are called here, by their own names, in the order they run. */
function headNames(linear: readonly string[], tensors: StateDict): ReadonlyMap<string, string> {
  const [first, second, ...more] = linear;
  if (more.length > 0) throw unfit(`its classifier has ${linear.length} linear layers instead of at most 2`);
  if (first === undefined) return new Map();
  if (second === undefined) return new Map([[first, 'classifier']]);
  const place = (module: string): number => Number(/^classifier\.(\d{1,3})$/.exec(module)?.[1] ?? NaN);
  const [before, after] = [place(first), place(second)].sort((a, b) => a - b);
  // What is applied between the two has no tensors; in torchvision's classifier it is a module of its own.
  if (!(after! - before! >= 2)) {
    const shown = [first, second].map((module) => shortened(module, 80)).join(' and ');
    throw unfit(
      `${tensors.size} tensors include the linear layers ${shown}; torchvision has classifier.0 and classifier.3, with a ` +
        'hard-swish between, and what another classifier applies there cannot be told from its weights',
    );
  }
  const inOrder = place(first) < place(second) ? [first, second] : [second, first];
  return new Map([
    [inOrder[0]!, 'classifier.0'],
    [inOrder[1]!, 'classifier.3'],
  ]);
}
