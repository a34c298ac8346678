import { NeonsenseError } from '../../../errors.js';
import type { Model } from '../../model.js';
import { elementCount } from '../../weights.js';
import type { StateTensor } from '../stateDict.js';
import { modelFromStateDict } from '../stateDict.js';
import type { PickleValue } from './pickle.js';
import { Instance, readPickle, Tuple } from './pickle.js';
import { torchRules } from './rules.js';
import { TorchTensor, toStateTensor } from './tensor.js';
import type { ZipEntry } from './zip.js';
import { readZip } from './zip.js';

/**
 * Reads what `torch.save` or `torch.jit.save` wrote: torchvision's state_dict, bare or under `state_dict`,
 * `model_state_dict` or `model`, or a TorchScript module of the network. Quantized tensors are dequantized: the model
 * is a float32 one, and the ranges that static quantization fixed for activations are dropped.
 *
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` for a damaged file or one that needs code to be run,
 * `ERR_MODEL_ARCHITECTURE` when it holds another network, `ERR_UNSUPPORTED` for big-endian and frozen files.
 */
export function readTorchModel(archive: Uint8Array): Model {
  const entries = readZip(archive);
  const { root, pickle } = findPickle(entries);
  const byteOrder = entries.get(`${root}byteorder`);
  if (byteOrder !== undefined && new TextDecoder().decode(byteOrder.read()).trim() !== 'little') {
    throw new NeonsenseError('ERR_UNSUPPORTED', 'The checkpoint was saved on a big-endian machine; save it on another');
  }
  const state = findState(readPickle(pickle.read(), torchRules), 0);
  const found = collectTensors(state);
  const isScript = entries.has(`${root}constants.pkl`);
  if (found.size === 0) throw withoutTensors(isScript);

  const storages = new Map<string, Uint8Array>();
  const readStorage = (key: string): Uint8Array => {
    const known = storages.get(key);
    if (known !== undefined) return known;
    const entry = entries.get(`${root}data/${key}`);
    if (entry === undefined) {
      throw new NeonsenseError('ERR_MODEL_FORMAT', `Damaged checkpoint: its file data/${key} is missing`);
    }
    const bytes = entry.read();
    storages.set(key, bytes);
    return bytes;
  };
  const quantized = [...found.values()].filter((tensor) => tensor.quantizer !== undefined).length;
  const tensors = new Map<string, StateTensor>();
  for (const [name, tensor] of found) {
    if (quantized > 0 && isActivationRange(name, tensor)) continue;
    tensors.set(name, toStateTensor(tensor, name, readStorage));
  }
  const from = isScript ? 'TorchScript' : 'PyTorch state_dict';
  const details = quantized > 0 ? { from, dequantizedTensors: quantized } : { from };
  return modelFromStateDict(tensors, [{ step: 'convert', details }]);
}

/** The archive's one folder, with its slash, and the pickle in it. */
function findPickle(entries: ReadonlyMap<string, ZipEntry>): { root: string; pickle: ZipEntry } {
  for (const [name, pickle] of entries) {
    const match = /^([^/]*\/)?data\.pkl$/.exec(name);
    if (match) return { root: match[1] ?? '', pickle };
  }
  throw new NeonsenseError(
    'ERR_MODEL_FORMAT',
    'Expected a PyTorch checkpoint but this zip archive has no data.pkl in it',
  );
}

/** Keys under which training scripts keep the weights beside other things. */
const STATE_KEYS = ['state_dict', 'model_state_dict', 'model'];

function findState(value: PickleValue, depth: number): Map<PickleValue, PickleValue> {
  if (value instanceof Instance && value.state instanceof Map) return value.state;
  if (!(value instanceof Map)) {
    throw new NeonsenseError('ERR_MODEL_FORMAT', 'Expected a state_dict in the checkpoint but it holds another value');
  }
  for (const key of STATE_KEYS) {
    const inner: unknown = value.get(key);
    if (depth < STATE_KEYS.length && inner instanceof Map && inner !== value) return findState(inner, depth + 1);
  }
  return value as Map<PickleValue, PickleValue>;
}

// More than any network this package reads; stops a module tree that refers to itself.
const MOST_TENSORS = 10_000;
const DEEPEST_MODULE = 16;

/** Tensors by dotted name: a state_dict's entries, or the attributes of TorchScript's module tree. */
function collectTensors(state: Map<PickleValue, PickleValue>): Map<string, TorchTensor> {
  const tensors = new Map<string, TorchTensor>();
  let visited = 0;
  const visit = (values: Map<PickleValue, PickleValue>, prefix: string, depth: number): void => {
    for (const [key, value] of values) {
      if (typeof key !== 'string') continue;
      if (++visited > MOST_TENSORS * DEEPEST_MODULE || tensors.size > MOST_TENSORS || depth > DEEPEST_MODULE) {
        throw new NeonsenseError('ERR_MODEL_FORMAT', 'The checkpoint holds too many or too deeply nested modules');
      }
      const name = prefix + key;
      if (value instanceof TorchTensor) tensors.set(name, value);
      else if (value instanceof Tuple && name.endsWith(PACKED)) addPacked(tensors, name, value);
      else if (value instanceof Instance && value.state instanceof Map) visit(value.state, `${name}.`, depth + 1);
    }
  };
  visit(state, '', 0);
  return tensors;
}

const PACKED = '._packed_params._packed_params';

/** A quantized Linear keeps its weight and bias together. */
function addPacked(tensors: Map<string, TorchTensor>, name: string, { items }: Tuple): void {
  const layer = name.slice(0, -PACKED.length);
  const [weight, bias] = items;
  if (weight instanceof TorchTensor) tensors.set(`${layer}.weight`, weight);
  if (bias instanceof TorchTensor) tensors.set(`${layer}.bias`, bias);
}

/** Static quantization leaves the scale and zero point of each output beside the weights. */
function isActivationRange(name: string, tensor: TorchTensor): boolean {
  return /(^|\.)(scale|zero_point)$/.test(name) && elementCount(tensor.shape) === 1;
}

function withoutTensors(isScript: boolean): NeonsenseError {
  return isScript
    ? new NeonsenseError(
        'ERR_UNSUPPORTED',
        'This TorchScript module was frozen: its weights are constants of its code. Save it before torch.jit.freeze, ' +
          'or save the state_dict',
      )
    : new NeonsenseError('ERR_MODEL_FORMAT', 'Expected a state_dict in the checkpoint but it holds no tensors');
}
