import { NeonsenseError, shortened } from '../../errors.js';
import { type Architecture, BLOCK_TEMPLATES, type Conventions } from '../architecture.js';
import { type LayerRole, layerSpecs } from '../network.js';
import type { Preprocessing } from '../preprocessing.js';
import { elementCount } from '../weights.js';
import { skeletonOf } from './skeleton.js';
import type { StateDict, StateTensor } from './stateDict.js';

/** Which number of which layer a tensor holds; the last four are of the batch norm behind the layer. */
export interface Place {
  readonly role: LayerRole;
  /** Index of the layer's block, absent outside of blocks. */
  readonly block?: number;
  readonly part: 'weight' | 'bias' | 'norm.weight' | 'norm.bias' | 'norm.running_mean' | 'norm.running_var';
}

/** A tensor at its place. */
export interface PlacedTensor {
  readonly place: Place;
  readonly tensor: StateTensor;
}

/** A network in torchvision's names, and what its own names say beyond that. */
export interface Translation {
  readonly tensors: StateDict;
  /** Whose names they were, for the model's provenance; absent for torchvision's. */
  readonly layout?: string;
  readonly conventions?: Conventions;
  /** What its library does to pictures, where nobody says otherwise. */
  readonly preprocessing?: Preprocessing;
}

/** One library's names for the tensors of a MobileNetV3. */
export interface Layout {
  readonly matches: (tensors: StateDict) => boolean;
  /** @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` naming what does not fit. */
  readonly translate: (tensors: StateDict) => Translation;
}

/**
 * The tensors under torchvision's names. Those without a place keep their own, so that messages name them as the file
 * does.
 *
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` for a number of blocks no network has, for two tensors at one place,
 * and for a shape of another rank.
 */
export function torchvisionNames(placed: readonly PlacedTensor[], strangers: StateDict): StateDict {
  const has = (role: LayerRole): boolean => placed.some(({ place }) => place.role === role);
  const expanding = new Set(placed.flatMap(({ place }) => (place.role === 'expand' ? [place.block] : [])));
  const head = { hidden: has('hidden') ? 1 : 0, classes: has('logits') ? 1 : 0 };
  const skeleton = skeletonOf(networkName(placed), head, (block) => expanding.has(block));
  const specs = new Map(layerSpecs(skeleton).map((spec) => [`${spec.role} ${spec.block}`, spec]));
  const tensors = new Map<string, StateTensor>(strangers);
  for (const { place, tensor } of placed) {
    const spec = specs.get(`${place.role} ${place.block}`);
    if (spec === undefined) {
      const where = place.block === undefined ? '' : ` in block ${place.block + 1}`;
      throw unfit(`${skeleton.name} has no ${LAYER_OF[place.role]}${where}, but there are weights of one`);
    }
    const norm = /^norm\.(.*)$/.exec(place.part)?.[1];
    const name = norm === undefined ? `${spec.name}.${place.part}` : `${spec.batchNorm}.${norm}`;
    if (tensors.has(name)) throw unfit(`there are two tensors for ${shortened(name)}`);
    tensors.set(name, place.part === 'weight' ? ofRank(tensor, spec.shape.length, name) : tensor);
  }
  return tensors;
}

const LAYER_OF: Readonly<Record<LayerRole, string>> = {
  stem: 'first convolution',
  expand: 'expansion',
  depthwise: 'depthwise convolution',
  squeeze: 'squeeze-and-excitation',
  excite: 'squeeze-and-excitation',
  project: 'projection',
  last: 'last convolution',
  hidden: 'hidden layer',
  logits: 'classifier',
};

function networkName(placed: readonly PlacedTensor[]): Architecture['name'] {
  const blocks = 1 + placed.reduce((highest, { place }) => Math.max(highest, place.block ?? -1), -1);
  const names = Object.keys(BLOCK_TEMPLATES) as Architecture['name'][];
  const name = names.find((candidate) => BLOCK_TEMPLATES[candidate].length === blocks);
  if (name !== undefined) return name;
  const known = names.map((candidate) => `${BLOCK_TEMPLATES[candidate].length} (${candidate})`).join(' or ');
  throw unfit(`it has ${blocks} blocks instead of ${known}`);
}

/** A 1x1 convolution and a linear layer hold the same numbers in the same order. */
function ofRank(tensor: StateTensor, rank: number, name: string): StateTensor {
  const { shape } = tensor;
  if (shape.length === rank) return tensor;
  const isMatrix = shape.length === 2 || (shape.length === 4 && elementCount(shape.slice(2)) === 1);
  if (!isMatrix) throw unfit(`the tensor for ${name} has shape [${shape.join(', ')}]`);
  const matrix = shape.slice(0, 2);
  return { ...tensor, shape: rank === 2 ? matrix : [...matrix, 1, 1] };
}

export function unfit(what: string): NeonsenseError {
  return new NeonsenseError('ERR_MODEL_ARCHITECTURE', `The weights make up no MobileNetV3 that can be read: ${what}`);
}

/** The bias of a linear layer that has none. */
export function zeros(length: number): StateTensor {
  return { shape: [length], type: 'float', read: () => new Float32Array(length) };
}
