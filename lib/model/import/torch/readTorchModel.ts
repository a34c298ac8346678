import { NeonsenseError, quoted } from '../../../errors.js';
import type { Budget } from '../../../files/limits.js';
import { zipKind } from '../../fileKind.js';
import type { Model } from '../../model.js';
import type { TensorGroup } from '../findNetwork.js';
import { findNetwork } from '../findNetwork.js';
import { inferArchitecture } from '../inferArchitecture.js';
import type { Translation } from '../layout.js';
import { translate } from '../layouts.js';
import type { StateTensor } from '../stateDict.js';
import { modelFromTranslation } from '../stateDict.js';
import type { PickleValue } from './pickle.js';
import { Global, Instance, Opaque, readPickle, Tuple } from './pickle.js';
import { torchRules } from './rules.js';
import { checkGraph } from './script/checkGraph.js';
import type { ScriptArchive } from './script/evaluate.js';
import { graphOf } from './script/evaluate.js';
import type { Node } from './script/graph.js';
import { parametersOf } from './script/graph.js';
import type { StorageReader } from './tensor.js';
import { TorchTensor, toConstant, toStateTensor } from './tensor.js';
import type { ZipEntry } from './zip.js';

/**
 * Reads what `torch.save` or `torch.jit.save` wrote: a state_dict wherever it lies among other things (see
 * `findNetwork`), or a TorchScript module of the network. Quantized tensors are dequantized: the model is a float32 one,
 * and the ranges that static quantization fixed for activations are dropped.
 *
 * @param entries The files of the zip archive.
 * @param key Chooses among several networks.
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` for a damaged file, one that needs code to be run or one beyond `budget`,
 * `ERR_MODEL_ARCHITECTURE` when it holds another network or several, `ERR_UNSUPPORTED` for big-endian and frozen files
 * and for forms of weights that cannot be read, `ERR_INVALID_ARGUMENT` when `key` names no network.
 */
export function readTorchModel(entries: ReadonlyMap<string, ZipEntry>, budget: Budget, key?: string): Model {
  const { root, pickle } = findPickle(entries);
  const byteOrder = entries.get(`${root}byteorder`);
  if (byteOrder !== undefined && !isLittleEndian(byteOrder)) {
    throw new NeonsenseError('ERR_UNSUPPORTED', 'The checkpoint was saved on a big-endian machine; save it on another');
  }
  budget.check('headerBytes', pickle.size);
  const value = readPickle(pickle.read(), torchRules, budget);
  const isScript = entries.has(`${root}constants.pkl`);
  const readStorage = storagesIn(entries, `${root}data/`);
  const script = value instanceof Instance ? value : undefined;
  const groups =
    script === undefined ? tensorGroups(value, readStorage, budget) : [moduleTensors(script, readStorage, budget)];
  const isTensor = ({ madeBy }: StateTensor): boolean => madeBy === undefined;
  if (!groups.some(({ tensors }) => [...tensors.values()].some(isTensor))) throw withoutTensors(value, isScript);
  const network =
    script === undefined
      ? translate(findNetwork(groups, key))
      : checkedNetwork(script, groups, key, { root, entries, readStorage, budget });
  const dequantizedTensors = [...network.tensors.values()].filter(({ isQuantized }) => isQuantized === true).length;
  const details = {
    from: isScript ? 'TorchScript' : 'PyTorch state_dict',
    ...(key === undefined ? {} : { key }),
    ...(dequantizedTensors === 0 ? {} : { dequantizedTensors }),
  };
  return modelFromTranslation(network, [{ step: 'convert', details }], budget);
}

/** Reads the files of one folder of the archive, each once. */
function storagesIn(entries: ReadonlyMap<string, ZipEntry>, folder: string): StorageReader {
  const storages = new Map<string, Uint8Array>();
  return (storage, bytes) => {
    const known = storages.get(storage);
    if (known !== undefined) return known;
    const entry = entries.get(folder + storage);
    if (entry === undefined) {
      throw new NeonsenseError('ERR_MODEL_FORMAT', `Damaged checkpoint: its file data/${storage} is missing`);
    }
    // Before anything is unpacked: a tensor says how much there is to be.
    if (entry.size !== bytes) {
      throw new NeonsenseError(
        'ERR_MODEL_FORMAT',
        `Damaged checkpoint: storage ${storage} has ${entry.size} bytes instead of ${bytes}`,
      );
    }
    const content = entry.read();
    storages.set(storage, content);
    return content;
  };
}

interface Archive {
  readonly root: string;
  readonly entries: ReadonlyMap<string, ZipEntry>;
  readonly readStorage: StorageReader;
  readonly budget: Budget;
}

/** The network of a TorchScript module, whose code was checked to compute it, adjusted to what the code says. */
function checkedNetwork(
  module: Instance,
  groups: readonly TensorGroup[],
  key: string | undefined,
  archive: Archive,
): Translation {
  const graph = codeGraph(module, archive);
  const used = parametersOf(graph);
  const read = new Set(
    groups.flatMap(({ tensors }) => [...tensors].flatMap(([name, tensor]) => (used?.has(name) ? tensor : []))),
  );
  const { tensors, ...said } = translate(findNetwork(groups, key, (tensor) => used === undefined || read.has(tensor)));
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]));
  return { ...said, tensors: checkGraph(graph, inferArchitecture(shapes, said.conventions), tensors) };
}

/** What the module's code computes. */
function codeGraph(module: Instance, { root, entries, readStorage, budget }: Archive): Node {
  const unpacked = (name: string): Uint8Array | undefined => {
    const entry = entries.get(root + name);
    if (entry !== undefined) budget.check('headerBytes', entry.size);
    return entry?.read();
  };
  const readConstant = storagesIn(entries, `${root}constants/`);
  let constants: readonly PickleValue[] | undefined;
  const code: ScriptArchive = {
    code: (path) => {
      const bytes = unpacked(`code/${path}`);
      return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
    },
    constants: () => {
      if (constants !== undefined) return constants;
      const bytes = unpacked('constants.pkl');
      const value = bytes === undefined ? undefined : readPickle(bytes, torchRules, budget);
      constants = value instanceof Tuple ? value.items : [];
      return constants;
    },
    tensor: (tensor, name, isConstant) => toConstant(tensor, name, isConstant ? readConstant : readStorage),
  };
  return graphOf(module, code, budget);
}

function isLittleEndian(byteOrder: ZipEntry): boolean {
  return byteOrder.size <= 8 && new TextDecoder().decode(byteOrder.read()).trim() === 'little';
}

/** The archive's one folder, with its slash, and the pickle in it. */
function findPickle(entries: ReadonlyMap<string, ZipEntry>): { root: string; pickle: ZipEntry } {
  for (const [name, pickle] of entries) {
    const match = /^([^/]*\/)?data\.pkl$/.exec(name);
    if (match) return { root: match[1] ?? '', pickle };
  }
  throw new NeonsenseError(
    'ERR_MODEL_FORMAT',
    `Expected a PyTorch checkpoint, a zip archive with a data.pkl in it, but this is ${zipKind([...entries.keys()])}`,
  );
}

/** Longer paths lead to no network; joining them could be made to take long. */
const LONGEST_PATH = 256;

/**
 * The dicts with tensors in them, wherever they lie in `root`'s dicts, lists and tuples. What is nested deeper than the
 * budget allows is left out: nobody keeps weights there.
 */
function tensorGroups(root: PickleValue, readStorage: StorageReader, budget: Budget): TensorGroup[] {
  const groups: TensorGroup[] = [];
  const seen = new Set<PickleValue>();
  const visit = (value: PickleValue, path: string, depth: number): void => {
    const items = value instanceof Tuple ? value.items : value;
    if (!(items instanceof Map || Array.isArray(items)) || seen.has(value)) return;
    if (depth > budget.limits.depth || path.length > LONGEST_PATH) return;
    seen.add(value);
    const tensors = new Map<string, StateTensor>();
    for (const [key, item] of items.entries() as Iterable<[PickleValue, PickleValue]>) {
      budget.spend('work');
      if (typeof key === 'string' && items instanceof Map) addTensor(tensors, key, item, readStorage);
      if (typeof key === 'string' || typeof key === 'number') {
        visit(item, path === '' ? String(key) : `${path}.${key}`, depth + 1);
      }
    }
    if (tensors.size > 0) groups.push({ path, tensors });
  };
  visit(root, '', 0);
  return groups;
}

/** More than any network read here; the same module may stand in any number of places. */
const MOST_TENSORS = 10_000;

/** The tensors of a TorchScript module by the dotted names of its attributes. */
function moduleTensors(root: Instance, readStorage: StorageReader, budget: Budget): TensorGroup {
  const tensors = new Map<string, StateTensor>();
  const visit = (module: Instance, prefix: string, depth: number): void => {
    if (!(module.state instanceof Map)) return;
    budget.check('depth', depth);
    if (prefix.length > LONGEST_PATH) return;
    for (const [key, value] of module.state) {
      budget.spend('work');
      if (typeof key !== 'string') continue;
      if (value instanceof Instance) visit(value, `${prefix}${key}.`, depth + 1);
      else addTensor(tensors, prefix + key, value, readStorage);
      if (tensors.size > MOST_TENSORS) {
        throw new NeonsenseError('ERR_MODEL_FORMAT', 'The checkpoint holds too many modules: it is no MobileNetV3');
      }
    }
  };
  visit(root, '', 0);
  return { path: '', tensors };
}

/** Adds `value` under `name` where it is a tensor, a quantized layer's packed ones, or what some code would have made. */
function addTensor(
  tensors: Map<string, StateTensor>,
  name: string,
  value: PickleValue,
  readStorage: StorageReader,
): void {
  if (value instanceof TorchTensor) tensors.set(name, toStateTensor(value, name, readStorage));
  else if (value instanceof Opaque) tensors.set(name, opaqueTensor(value));
  else if (value instanceof Tuple && name.endsWith(PACKED)) {
    const layer = name.slice(0, -PACKED.length);
    const [weight, bias] = value.items;
    if (weight !== undefined) addTensor(tensors, `${layer}.weight`, weight, readStorage);
    if (bias !== undefined) addTensor(tensors, `${layer}.bias`, bias, readStorage);
  }
}

function opaqueTensor({ path }: Opaque): StateTensor {
  return {
    shape: [],
    type: 'float',
    madeBy: path,
    read: () => {
      throw new NeonsenseError('ERR_MODEL_FORMAT', `A tensor made by ${quoted(path, 80)} cannot be read`);
    },
  };
}

/** Where a quantized Linear keeps its weight and bias together. */
const PACKED = '._packed_params._packed_params';

function withoutTensors(root: PickleValue, isScript: boolean): NeonsenseError {
  if (isScript) {
    return new NeonsenseError(
      'ERR_UNSUPPORTED',
      'This TorchScript module was frozen: its weights are constants of its code. Save it before torch.jit.freeze, ' +
        'or save the state_dict',
    );
  }
  return new NeonsenseError(
    'ERR_MODEL_FORMAT',
    `Expected a state_dict in the checkpoint but it holds ${contentOf(root)}. Nothing of it was executed. Save only the ` +
      'weights: torch.save(model.state_dict(), path)',
  );
}

/** Whether what is in dicts, at any depth that people use, are NumPy's arrays. */
function holdsArrays(value: PickleValue, depth = 0): boolean {
  if (value instanceof Opaque) return /^numpy\..*(_reconstruct|ndarray|_frombuffer)$/.test(value.path);
  return (
    depth < 4 && value instanceof Map && [...value.values()].slice(0, 100).some((item) => holdsArrays(item, depth + 1))
  );
}

/** What a checkpoint without tensors holds instead. */
function contentOf(value: PickleValue): string {
  if (value instanceof Opaque) return `an object of ${quoted(value.path, 80)}`;
  if (value instanceof Global) return `the name ${quoted(value.path, 80)}`;
  if (value instanceof Instance) return `an empty module ${quoted(value.type.path, 80)}`;
  if (holdsArrays(value)) return 'NumPy arrays (numpy.savez with the same names makes a file that is read)';
  if (value instanceof Map || value instanceof Tuple || Array.isArray(value)) {
    const items = value instanceof Map ? [...value.values()] : value instanceof Tuple ? value.items : value;
    const made = (items as PickleValue[]).find((item) => item instanceof Opaque);
    const kind = value instanceof Map ? 'dict' : value instanceof Tuple ? 'tuple' : 'list';
    return made === undefined
      ? `a ${kind} without tensors`
      : `a ${kind} with an object of ${quoted((made as Opaque).path, 80)}`;
  }
  return 'another value';
}
