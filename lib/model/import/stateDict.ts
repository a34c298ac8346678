import { NeonsenseError, shortened } from '../../errors.js';
import type { Budget } from '../../files/limits.js';
import { halfToFloat } from '../../numbers/half.js';
import { checkModel } from '../checkModel.js';
import type { Tensor } from '../format/safetensors.js';
import type { Layer, Model, ProvenanceStep } from '../model.js';
import { layerSpecs } from '../network.js';
import { ASSUMED } from '../preprocessing.js';
import { elementCount } from '../weights.js';
import { inferArchitecture } from './inferArchitecture.js';
import type { Translation } from './layout.js';
import { translate } from './layouts.js';

/** A tensor of a checkpoint, whose numbers are only made when they are needed. */
export interface StateTensor {
  readonly shape: readonly number[];
  readonly type: 'float' | 'integer';
  /** Where its numbers lie in the file, equal for two tensors that share them; absent where none can. */
  readonly place?: string;
  /** Whether it is kept as integers with a scale. */
  readonly isQuantized?: boolean;
  /** The class or function that would make the tensor, where that is not one read here. */
  readonly madeBy?: string;
  /** The numbers in single precision, row by row; may be a view into the file. */
  readonly read: () => Float32Array;
}

/** A checkpoint's tensors by name. */
export type StateDict = ReadonlyMap<string, StateTensor>;

/** Names the labels of a checkpoint that brings none: `class 0`, `class 1`, ... */
export function numberedLabels(classes: number): readonly string[] {
  return Array.from({ length: classes }, (_, index) => `class ${index}`);
}

/**
 * A float32 model from the tensors of one network, see `findNetwork`, under the names of any library known here. Labels
 * are numbered, and the preprocessing is assumed.
 *
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` when the tensors belong to another network or hold numbers that
 * cannot be used; `ERR_MODEL_FORMAT` when it is larger than `budget` allows.
 */
export function modelFromStateDict(stateDict: StateDict, provenance: readonly ProvenanceStep[], budget: Budget): Model {
  return modelFromTranslation(translate(stateDict), provenance, budget);
}

/** As {@link modelFromStateDict}, from tensors in torchvision's names. */
export function modelFromTranslation(
  { tensors, layout, conventions, preprocessing = ASSUMED }: Translation,
  provenance: readonly ProvenanceStep[],
  budget: Budget,
): Model {
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]));
  const architecture = inferArchitecture(shapes, conventions);
  const read = (name: string): Float32Array => {
    const tensor = tensors.get(name)!;
    budget.spend('tensorBytes', 4 * elementCount(tensor.shape));
    return tensor.read();
  };
  const layers = new Map<string, Layer>();
  for (const { name, batchNorm } of layerSpecs(architecture)) {
    const weights = { type: 'f32', data: read(`${name}.weight`) } as const;
    if (tensors.has(`${name}.bias`)) {
      layers.set(name, { weights, bias: read(`${name}.bias`) });
    } else {
      const part = (tensor: string): Float32Array => read(`${batchNorm}.${tensor}`);
      const statistics = { mean: part('running_mean'), variance: part('running_var') };
      layers.set(name, { weights, batchNorm: { weight: part('weight'), bias: part('bias'), ...statistics } });
    }
  }
  const model: Model = {
    architecture,
    labels: numberedLabels(architecture.classes),
    preprocessing,
    precision: 'fp32',
    layers,
    provenance: layout === undefined ? provenance : withLayout(provenance, layout),
  };
  checkModel(model);
  return model;
}

/** The last step's details say whose names the tensors had. */
function withLayout(provenance: readonly ProvenanceStep[], layout: string): readonly ProvenanceStep[] {
  return provenance.map((step, index) =>
    index === provenance.length - 1 ? { ...step, details: { ...step.details, layout } } : step,
  );
}

/** Tensors of a safetensors file as a state_dict; floats of any width become float32. */
export function stateDictFromTensors(tensors: ReadonlyMap<string, Tensor>): StateDict {
  return new Map(
    [...tensors].map(([name, tensor]) => {
      const type = /F/.test(tensor.dtype) ? 'float' : 'integer';
      return [name, { shape: tensor.shape, type, read: () => toSingle(name, tensor) }];
    }),
  );
}

function toSingle(name: string, { dtype, bytes }: Tensor): Float32Array {
  const single = floatsToSingle(dtype, bytes);
  if (single === undefined) {
    throw new NeonsenseError(
      'ERR_MODEL_ARCHITECTURE',
      `Expected floats for tensor ${shortened(name)} but it has dtype ${dtype}`,
    );
  }
  return single;
}

/**
 * Little-endian floats of type `dtype` in single precision; aligned float32 are viewed in place. Undefined for another
 * type.
 */
export function floatsToSingle(dtype: string, bytes: Uint8Array): Float32Array | undefined {
  const width = dtype === 'F64' ? 8 : dtype === 'F32' ? 4 : 2;
  const { buffer, byteOffset, length } = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer, byteOffset, length / 4);
    case 'F64':
      return Float32Array.from(new Float64Array(buffer, byteOffset, length / 8));
    case 'F16':
      return halfToFloat(new Uint16Array(buffer, byteOffset, length / 2));
    case 'BF16': {
      // bfloat16 is the upper half of a float32.
      const bits = Uint32Array.from(new Uint16Array(buffer, byteOffset, length / 2), (upper) => upper << 16);
      return new Float32Array(bits.buffer);
    }
    default:
      return undefined;
  }
}
