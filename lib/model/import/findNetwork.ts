import { NeonsenseError, quoted, shortened } from '../../errors.js';
import { elementCount } from '../weights.js';
import type { StateDict, StateTensor } from './stateDict.js';
import { plainWeights } from './weightForms.js';

/** Tensors that lie side by side in a file. */
export interface TensorGroup {
  /** The keys that lead to them, joined by dots; empty at the top. */
  readonly path: string;
  readonly tensors: StateDict;
}

/** One network of a file. */
interface Network {
  /** What `key` names it by: the group's path and the prefix of its tensors. */
  readonly key: string;
  /** The one it is recognised by. */
  readonly first: StateTensor;
  readonly tensors: ReadonlyMap<string, StateTensor>;
  /** The group's tensors that do not have the network's prefix. */
  readonly beside: ReadonlyMap<string, StateTensor>;
}

/**
 * A network is recognised by its first convolution, torchvision's or timm's, in any form; what stands before its name is
 * a prefix.
 */
const FIRST_TENSOR =
  /^(.*\.)?(?:features\.0\.0|conv_stem)\.(weight|weight_orig|weight_v|parametrizations\.weight\.original\d?)$/;

/** A file with more is made to take long. */
const MOST_NETWORKS = 32;

/** Parts that wrappers put into the names of what they wrap, wherever that is. */
const WRAPPERS = new Set([
  ...['module', '_orig_mod', '_fsdp_wrapped_module', '_checkpoint_wrapped_module', '_forward_module'],
]);

/** Longer names belong to no layer; joining and comparing them could be made to take long. */
const LONGEST_NAME = 256;

/**
 * The network among `groups`, by its content: under any keys, with any prefix, beside whatever else was saved. Names
 * come back without prefix and wrappers, weights in their plain form.
 *
 * @param key Chooses among several networks; it may leave out leading keys or a trailing prefix.
 * @param isRead Whether the file's own code reads a tensor, where it has some: what it does not read is no layer.
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` when there are several networks and no `key`, or what stands beside
 * one may be layers of it; `ERR_INVALID_ARGUMENT` when `key` names none; what `plainWeights` throws.
 */
export function findNetwork(
  groups: readonly TensorGroup[],
  key: string | undefined,
  isRead: (tensor: StateTensor) => boolean = () => true,
): StateDict {
  const found = groups.flatMap(networksOf);
  const networks =
    key === undefined ? withoutAliases(found.filter(({ first }) => isRead(first))) : matching(found, key);
  const [network, ...others] = networks;
  if (network === undefined) {
    // Nothing that looks like one: the largest group says best what was found instead.
    const [largest] = [...groups].sort((a, b) => b.tensors.size - a.tensors.size);
    return largest === undefined ? new Map<string, StateTensor>() : withoutWrappers(largest.tensors);
  }
  if (others.length > 0) {
    throw new NeonsenseError(
      'ERR_MODEL_ARCHITECTURE',
      `The file holds ${networks.length} networks: ${listed(networks)}. Choose one with the option key (--key)`,
    );
  }
  const beside = new Map([...network.beside].filter(([, tensor]) => isRead(tensor)));
  return completed({ ...network, beside }, key !== undefined);
}

function networksOf({ path, tensors }: TensorGroup): Network[] {
  const named = withFeatures(withoutWrappers(tensors));
  const prefixes = new Map<string, StateTensor>();
  for (const [name, tensor] of named) {
    const first = FIRST_TENSOR.exec(name);
    if (first !== null) prefixes.set(first[1] ?? '', tensor);
  }
  if (prefixes.size > MOST_NETWORKS) {
    throw new NeonsenseError('ERR_MODEL_ARCHITECTURE', `The file holds ${prefixes.size} networks in one state_dict`);
  }
  // The longest first: what stands under `ema.` is not part of a network at the top.
  const longestFirst = [...prefixes.keys()].sort((a, b) => b.length - a.length);
  const networks = new Map(longestFirst.map((prefix) => [prefix, new Map<string, StateTensor>()]));
  const beside = new Map<string, StateTensor>();
  for (const [name, tensor] of named) {
    const prefix = longestFirst.find((candidate) => name.startsWith(candidate));
    if (prefix === undefined) beside.set(name, tensor);
    else networks.get(prefix)!.set(name.slice(prefix.length), tensor);
  }
  return [...networks].map(([prefix, own]) => {
    const key = [path, prefix.slice(0, -1)].filter((part) => part !== '').join('.');
    return { key, first: prefixes.get(prefix)!, tensors: own, beside };
  });
}

function withoutWrappers(tensors: StateDict): Map<string, StateTensor> {
  const stripped = new Map<string, StateTensor>();
  for (const [name, tensor] of tensors) {
    if (name.length > LONGEST_NAME) continue;
    const short = name
      .split('.')
      .filter((part) => !WRAPPERS.has(part))
      .join('.');
    if (stripped.has(short)) {
      throw new NeonsenseError(
        'ERR_MODEL_ARCHITECTURE',
        `The checkpoint holds tensor ${shortened(short)} twice, with and without a prefix: save only one network`,
      );
    }
    stripped.set(short, tensor);
  }
  return stripped;
}

/** A layer of the first block, which nothing else is called; what stands before it is what the features are called. */
const FIRST_BLOCK = /^(.*\.)?1\.block\.0\.0\.[\w.]+$/;

/**
 * `tensors` with torchvision's name for the features where a network of somebody's own took them over under another:
 * `self.backbone = mobilenet_v3_small().features` gives `backbone.0.0.weight`.
 */
function withFeatures(tensors: ReadonlyMap<string, StateTensor>): ReadonlyMap<string, StateTensor> {
  const places = new Set<string>();
  for (const name of tensors.keys()) {
    const place = FIRST_BLOCK.exec(name);
    if (place !== null && !/(^|\.)features\.$/.test(place[1] ?? '')) places.add(place[1] ?? '');
  }
  if (places.size === 0 || places.size > MOST_NETWORKS) return tensors;
  const renamed = new Map<string, StateTensor>();
  for (const [name, tensor] of tensors) {
    const place = [...places].find(
      (candidate) => /^\d/.test(name.slice(candidate.length)) && name.startsWith(candidate),
    );
    const own = place === undefined ? name : `${place.replace(/[^.]+\.$/, '')}features.${name.slice(place.length)}`;
    // Two parts of one network under one name would be neither.
    if (renamed.has(own)) return tensors;
    renamed.set(own, tensor);
  }
  return renamed;
}

/** `networks` without those that are another one under a second name, in the same memory. */
function withoutAliases(networks: readonly Network[]): Network[] {
  const kept: Network[] = [];
  for (const network of networks) {
    if (!kept.some((other) => isSameMemory(other, network))) kept.push(network);
    if (kept.length > MOST_NETWORKS) break;
  }
  return kept;
}

function isSameMemory({ tensors: a }: Network, { tensors: b }: Network): boolean {
  return a.size === b.size && [...a].every(([name, { place }]) => place !== undefined && b.get(name)?.place === place);
}

function matching(networks: readonly Network[], key: string): Network[] {
  const exact = networks.filter((network) => network.key === key);
  if (exact.length > 0) return exact;
  const loose = networks.filter((network) => `.${network.key}.`.includes(`.${key}.`));
  if (loose.length > 0) return loose;
  throw new NeonsenseError(
    'ERR_INVALID_ARGUMENT',
    `The file holds no network under the key ${quoted(key)}. It holds: ${networks.length === 0 ? 'none' : listed(networks)}`,
  );
}

/**
 * The tensors of `network`: without what training left beside it, with a head that stands outside its prefix. Other
 * tensors beside it may be layers that change the answer, so they are refused unless the network was `chosen` by its key.
 */
function completed({ key, tensors, beside }: Network, chosen: boolean): StateDict {
  const own = withoutBookkeeping(tensors);
  const others = withoutBookkeeping(beside);
  if (others.size === 0 || chosen) return plainWeights(readable(own));
  if (hasNoClassifier(own)) {
    return plainWeights(readable(new Map([...own, ...others])));
  }
  const names = [...others.keys()].slice(0, 4).map((name) => shortened(name, 80));
  throw new NeonsenseError(
    'ERR_MODEL_ARCHITECTURE',
    `Beside the network under ${quoted(key, 80)} the checkpoint holds tensors that may be layers of a larger one: ` +
      `${names.join(', ')}${others.size > names.length ? ', ...' : ''}. If they take no part in naming classes, ` +
      'choose the network with the option key (--key)',
  );
}

/** Whether a network ends with its features, as a part of a larger one does; timm's mixes their channels once more. */
function hasNoClassifier(tensors: StateDict): boolean {
  const names = [...tensors.keys()];
  return tensors.has('conv_stem.weight')
    ? !names.some((name) => name.startsWith('classifier.'))
    : names.every((name) => name.startsWith('features.'));
}

function readable(tensors: StateDict): StateDict {
  for (const [name, { madeBy }] of tensors) {
    if (madeBy === undefined) continue;
    throw new NeonsenseError(
      'ERR_MODEL_FORMAT',
      `Tensor ${quoted(name, 80)} of the checkpoint is made by ${quoted(madeBy, 80)}, which is not among the types that ` +
        'can be read; nothing of it was executed. Save only the weights: torch.save(model.state_dict(), path)',
    );
  }
  return tensors;
}

function withoutBookkeeping(tensors: StateDict): StateDict {
  const kept = new Map([...tensors].filter(([name, tensor]) => !isBookkeeping(name, tensor)));
  if (![...kept.values()].some(({ isQuantized }) => isQuantized === true)) return kept;
  return new Map([...kept].filter(([name, { shape }]) => !(isActivationScale(name) && elementCount(shape) === 1)));
}

/** Static quantization leaves the scale (and the zero point, an integer) of each output beside the weights. */
function isActivationScale(name: string): boolean {
  return /(^|\.)scale$/.test(name);
}

/** What training keeps among the weights: counters, the state of losses and metrics, objects that are no tensors. */
function isBookkeeping(name: string, { type, madeBy }: StateTensor): boolean {
  // Not by its type: converting a whole state_dict to half precision makes it a float.
  if (/(^|\.)num_batches_tracked$/.test(name)) return true;
  // What thop counts, and how a loss weighs the classes.
  if (/(^|\.)(total_ops|total_params|class_weights?)$/.test(name)) return true;
  if (/(^|[._])(loss|losses|criterion|metrics?|acc|accuracy|f1|auroc|precision|recall)([._\d]|$)/i.test(name))
    return true;
  const isParameter = /(^|\.)(weight|bias|running_mean|running_var)(_orig|_mask|_g|_v)?$/.test(name);
  return !isParameter && (type === 'integer' || madeBy !== undefined);
}

function listed(networks: readonly Network[]): string {
  const names = networks.slice(0, 6).map(({ key }) => (key === '' ? '"" (at the top)' : quoted(key, 80)));
  return names.join(', ') + (networks.length > 6 ? ` and ${networks.length - 6} more` : '');
}
