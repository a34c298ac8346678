import { NeonsenseError, shortened } from '../../errors.js';
import { inflate, spendInflated } from '../../files/inflate.js';
import type { Budget } from '../../files/limits.js';
import { checkModel, leaveUnchecked } from '../checkModel.js';
import { inferArchitecture } from '../import/inferArchitecture.js';
import type { Layer, Model, Weights } from '../model.js';
import type { LayerSpec } from '../network.js';
import { layerSpecs } from '../network.js';
import { atOnce, BYTES_A_STEP, type Steps } from '../steps.js';
import { elementCount, isSameInEveryOrder } from '../weights.js';
import { contentHashSteps, contentPieces, HASH_KEY, type PackedNumbers, type UncheckedContent } from './contentHash.js';
import { parseJson } from './json.js';
import { decodeConventions, decodeMetadata, FORMAT, VERSIONS } from './metadata.js';
import type { Container, DType, Tensor } from './safetensors.js';
import { decodeSparse } from './sparseCoding.js';
import type { Encoding } from './tensorNames.js';
import { ENCODINGS_KEY, SUFFIX } from './tensorNames.js';

/** Whether the file was written by this package, and not just any safetensors file. */
export function isModelFile({ metadata }: Container): boolean {
  return metadata.get('format') === FORMAT;
}

/**
 * Reads a file of this package's own format. Float32 tensors that are stored plainly are views into the file's bytes
 * where those are aligned.
 *
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` when the file is damaged or its parts do not fit together;
 * `ERR_MODEL_ARCHITECTURE` when it is whole but holds another network or unusable numbers.
 */
export function decodeModel(container: Container, budget: Budget): Model {
  return atOnce(decodeModelSteps(container, budget));
}

/**
 * {@link decodeModel} with pauses.
 *
 * @param leave is given what was not looked at: whether the content has the hash stored with it; and what was not
 *   unpacked, of which the model has zeros until then. Nor was it looked whether the model's numbers are usable. The
 *   caller sees to all three before the model is used. Without it they are seen to here.
 */
export function* decodeModelSteps(
  container: Container,
  budget: Budget,
  leave?: (content: UncheckedContent) => void,
): Steps<Model> {
  const { metadata } = container;
  const version = metadata.get('version');
  if (version === undefined || !VERSIONS.includes(version)) {
    const found = shortened(version ?? 'none', 80);
    throw broken(`expected format version 1 but it has ${found}; a newer release may read it`);
  }
  const hash = metadata.get(HASH_KEY);
  if (hash === undefined) throw broken(`the metadata key ${HASH_KEY} is missing`);
  const packed: PackedNumbers[] | undefined = leave && [];
  if (leave !== undefined && packed !== undefined) {
    leave({ sha256: hash, pieces: contentPieces(container), packed });
  } else if (hash !== (yield* contentHashSteps(container))) {
    throw broken('its content does not have the hash that was stored with it; copy or download the file again');
  }
  // Of what follows each part takes milliseconds the first time.
  yield;
  const reader = new TensorReader(container, budget, packed);
  const architecture = inferArchitecture(reader.shapes(), decodeConventions(metadata, budget));
  yield;
  const described = decodeMetadata(metadata, architecture, budget);
  const layers = new Map<string, Layer>();
  let decoded = 0;
  for (const spec of layerSpecs(architecture)) {
    const layer = reader.layer(spec);
    layers.set(spec.name, layer);
    if (leave !== undefined) leaveUnchecked(layer);
    decoded += layer.weights.data.byteLength;
    if (decoded < BYTES_A_STEP) continue;
    yield;
    decoded = 0;
  }
  reader.checkAllRead();
  yield;
  const model: Model = { architecture, layers, ...described };
  checkModel(model);
  return model;
}

const ARRAY_OF = { F64: Float64Array, F32: Float32Array, F16: Uint16Array, I8: Int8Array, U8: Uint8Array } as const;
type StoredType = keyof typeof ARRAY_OF;
type ArrayOf<T extends StoredType> = InstanceType<(typeof ARRAY_OF)[T]>;

/** Takes tensors out of a container, each once, undoing their coding. */
class TensorReader {
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #encodings: ReadonlyMap<string, Encoding>;
  readonly #unread: Set<string>;
  readonly #budget: Budget;
  readonly #packed: PackedNumbers[] | undefined;
  /** What is left of memory for all that is unpacked later: in one piece, it goes back to the system in one. */
  #room: { readonly buffer: ArrayBuffer; used: number } | undefined;

  /** @param packed where to put what is to be unpacked later; absent where nothing is */
  constructor({ tensors, metadata }: Container, budget: Budget, packed?: PackedNumbers[]) {
    this.#budget = budget;
    this.#packed = packed;
    this.#tensors = tensors;
    this.#encodings = decodeEncodings(metadata.get(ENCODINGS_KEY), budget);
    this.#unread = new Set(tensors.keys());
  }

  /** Shapes of the decoded tensors, without those that only serve to decode others. */
  shapes(): Map<string, readonly number[]> {
    const shapes = new Map<string, readonly number[]>();
    const helpers = Object.values(SUFFIX).map((suffix) => `.weight${suffix}`);
    for (const [name, { shape }] of this.#tensors) {
      if (!helpers.some((helper) => name.endsWith(helper))) shapes.set(name, shape);
    }
    for (const [name, { shape }] of this.#encodings) {
      if (shapes.has(name)) throw broken(`tensor ${name} is stored both plainly and in coded form`);
      shapes.set(name, shape);
    }
    return shapes;
  }

  layer(spec: LayerSpec): Layer {
    // Coded weights may be many times larger than their tensors.
    this.#budget.spend('tensorBytes', 4 * elementCount(spec.shape));
    const weights = this.#weights(`${spec.name}.weight`);
    if (this.#tensors.has(`${spec.name}.bias`)) return { weights, bias: this.#array(`${spec.name}.bias`, 'F32') };
    const part = (name: string): Float32Array => this.#array(`${spec.batchNorm}.${name}`, 'F32');
    return {
      weights,
      batchNorm: {
        weight: part('weight'),
        bias: part('bias'),
        mean: part('running_mean'),
        variance: part('running_var'),
      },
    };
  }

  checkAllRead(): void {
    for (const name of this.#unread) throw broken(`tensor ${shortened(name, 80)} belongs to no layer`);
  }

  #weights(name: string): Weights {
    const encoding = this.#encodings.get(name);
    const dtype: DType | undefined = encoding?.dtype ?? this.#tensors.get(name)?.dtype;
    switch (dtype) {
      case 'F32':
        return { type: 'f32', data: this.#numbers(name, dtype, encoding) };
      case 'F16':
        return { type: 'f16', data: this.#numbers(name, dtype, encoding) };
      case 'I8': {
        const scales = this.#array(name + SUFFIX.scale, 'F32');
        return { type: 'i8', data: this.#numbers(name, dtype, encoding), scales };
      }
      case 'U8': {
        const scale = this.#single(name + SUFFIX.scale, 'F64');
        const zeroPoint = this.#single(name + SUFFIX.zeroPoint, 'U8');
        return { type: 'u8', data: this.#numbers(name, dtype, encoding), scale, zeroPoint };
      }
      default:
        throw broken(`tensor ${name} has dtype ${dtype}; expected F32, F16, I8 or U8`);
    }
  }

  #numbers<T extends StoredType>(name: string, dtype: T, encoding: Encoding | undefined): ArrayOf<T> {
    if (encoding === undefined) return this.#array(name, dtype);
    return encoding.coding === 'bitmap' ? this.#sparse(name, dtype, encoding) : this.#inflated(name, dtype, encoding);
  }

  #sparse<T extends StoredType>(name: string, dtype: T, { shape }: Encoding): ArrayOf<T> {
    const bitmap = this.#array(name + SUFFIX.bitmap, 'U8');
    const values = this.#array(name + SUFFIX.values, dtype);
    const length = elementCount(shape);
    // Before anything is allocated: a file cannot ask for more memory than eight elements for each of its bytes.
    if (bitmap.length !== Math.ceil(length / 8)) throw broken(`tensor ${name}${SUFFIX.bitmap} has the wrong length`);
    const Bits = dtype === 'F32' ? Int32Array : Int16Array;
    const bits = new Bits(length);
    const sparse = { bitmap, values: new Bits(values.buffer, values.byteOffset, values.length) };
    const problem = decodeSparse(sparse, bits);
    if (problem !== undefined) throw broken(`tensor ${name} has ${problem}`);
    return new ARRAY_OF[dtype](bits.buffer as ArrayBuffer, 0, length) as ArrayOf<T>;
  }

  #inflated<T extends StoredType>(name: string, dtype: T, { shape }: Encoding): ArrayOf<T> {
    const deflated = this.#array(name + SUFFIX.deflate, 'U8');
    const length = elementCount(shape);
    let own: Uint8Array;
    try {
      // What has to be moved about on its way to the engine can't wait.
      if (this.#packed !== undefined && isSameInEveryOrder(shape)) {
        spendInflated(deflated, length, this.#budget);
        const { buffer, at } = this.#take(length);
        const data = new ARRAY_OF[dtype](buffer, at, length) as Int8Array | Uint8Array;
        this.#packed.push({ deflated, data });
        return data as ArrayOf<T>;
      }
      own = inflate(deflated, length, this.#budget);
    } catch (error) {
      if (error instanceof NeonsenseError) throw error;
      throw broken(`tensor ${name}${SUFFIX.deflate} cannot be inflated (${(error as Error).message})`, error);
    }
    return new ARRAY_OF[dtype](own.buffer as ArrayBuffer, own.byteOffset, length) as ArrayOf<T>;
  }

  /** Zeros for something that is unpacked later. */
  #take(length: number): { readonly buffer: ArrayBuffer; readonly at: number } {
    if (this.#room === undefined) {
      const lengths = [...this.#encodings.values()].map(({ coding, shape }) => {
        return coding === 'deflate' ? elementCount(shape) : 0;
      });
      const all = lengths.reduce((sum, each) => sum + each, 0);
      // A file that asks for more is refused when it comes to it.
      this.#room = { buffer: new ArrayBuffer(Math.min(all, this.#budget.limits.inflatedBytes)), used: 0 };
    }
    const { buffer, used: at } = this.#room;
    this.#room.used += length;
    return { buffer, at };
  }

  #single(name: string, dtype: 'F64' | 'U8'): number {
    const values = this.#array(name, dtype);
    if (values.length !== 1) throw broken(`tensor ${name} has ${values.length} elements instead of 1`);
    return values[0]!;
  }

  #array<T extends StoredType>(name: string, dtype: T): ArrayOf<T> {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw broken(`tensor ${name} is missing`);
    if (tensor.dtype !== dtype) throw broken(`tensor ${name} has dtype ${tensor.dtype} instead of ${dtype}`);
    this.#unread.delete(name);
    const ArrayType = ARRAY_OF[dtype];
    const bytes = tensor.bytes.byteOffset % ArrayType.BYTES_PER_ELEMENT === 0 ? tensor.bytes : tensor.bytes.slice();
    const length = bytes.length / ArrayType.BYTES_PER_ELEMENT;
    return new ArrayType(bytes.buffer as ArrayBuffer, bytes.byteOffset, length) as ArrayOf<T>;
  }
}

function decodeEncodings(text: string | undefined, budget: Budget): Map<string, Encoding> {
  const encodings = new Map<string, Encoding>();
  if (text === undefined) return encodings;
  let parsed: unknown;
  try {
    parsed = parseJson(text, budget);
  } catch (error) {
    if (error instanceof NeonsenseError) throw error;
    throw broken(`the metadata key ${ENCODINGS_KEY} is not JSON (${(error as Error).message})`, error);
  }
  if (typeof parsed !== 'object' || parsed === null) throw broken(`the metadata key ${ENCODINGS_KEY} is not an object`);
  for (const [name, entry] of Object.entries(parsed)) {
    if (!isEncoding(entry))
      throw broken(`the metadata key ${ENCODINGS_KEY} does not describe tensor ${shortened(name, 80)}`);
    encodings.set(name, entry);
  }
  return encodings;
}

function isEncoding(entry: unknown): entry is Encoding {
  if (typeof entry !== 'object' || entry === null) return false;
  const { coding, dtype, shape } = entry as Record<string, unknown>;
  const known =
    (coding === 'bitmap' && (dtype === 'F32' || dtype === 'F16')) ||
    (coding === 'deflate' && (dtype === 'I8' || dtype === 'U8'));
  return known && Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function broken(what: string, cause?: unknown): NeonsenseError {
  return new NeonsenseError('ERR_MODEL_FORMAT', `Unusable model file: ${what}`, { cause });
}
