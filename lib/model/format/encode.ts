import { zlib } from '../../builtins.js';
import { Budget, DEFAULT_LIMITS } from '../../files/limits.js';
import { checkModel, examinedModel } from '../checkModel.js';
import { BATCH_NORM_TENSORS } from '../import/inferArchitecture.js';
import type { Layer, Model, Weights } from '../model.js';
import type { LayerSpec } from '../network.js';
import { layerSpecs } from '../network.js';
import { contentHash, HASH_KEY } from './contentHash.js';
import { decodeMetadata, encodeMetadata } from './metadata.js';
import type { Tensor } from './safetensors.js';
import { encodeSafetensors } from './safetensors.js';
import { encodeSparse, sparseBytes } from './sparseCoding.js';
import type { Encoding } from './tensorNames.js';
import { ENCODINGS_KEY, SUFFIX } from './tensorNames.js';

/** A coded weight brings names and shapes into the header; it must save more than that. */
const CODING_OVERHEAD_BYTES = 256;

/**
 * `model` as one safetensors file, described by docs/model-format.md. Lossless: reading it gives the same bits. The
 * same model gives the same bytes.
 *
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` or `ERR_MODEL_FORMAT` for a model that could not be read back.
 */
export function encodeModel(model: Model): Uint8Array {
  return examinedModel(model, () => encoded(model));
}

function encoded(model: Model): Uint8Array {
  checkModel(model);
  const metadata = encodeMetadata(model);
  // Whoever writes a model with a large input knows how to read it.
  decodeMetadata(metadata, model.architecture, new Budget({ ...DEFAULT_LIMITS, inputSide: Infinity }));
  const tensors = new Map<string, Tensor>();
  const encodings: Record<string, Encoding> = {};
  for (const spec of layerSpecs(model.architecture)) {
    const layer = model.layers.get(spec.name)!;
    const encoding = addWeights(tensors, `${spec.name}.weight`, layer.weights, spec.shape);
    if (encoding !== undefined) encodings[`${spec.name}.weight`] = encoding;
    addBias(tensors, layer, spec);
  }
  if (Object.keys(encodings).length > 0) metadata.set(ENCODINGS_KEY, JSON.stringify(encodings));
  metadata.set(HASH_KEY, contentHash({ tensors, metadata }));
  return encodeSafetensors({ tensors, metadata });
}

function addBias(tensors: Map<string, Tensor>, { bias, batchNorm }: Layer, spec: LayerSpec): void {
  if (bias !== undefined) tensors.set(`${spec.name}.bias`, vector('F32', bias));
  if (batchNorm !== undefined) {
    const { weight, bias: offset, mean, variance } = batchNorm;
    [weight, offset, mean, variance].forEach((values, index) => {
      tensors.set(`${spec.batchNorm}.${BATCH_NORM_TENSORS[index]}`, vector('F32', values));
    });
  }
}

function addWeights(
  tensors: Map<string, Tensor>,
  name: string,
  weights: Weights,
  shape: readonly number[],
): Encoding | undefined {
  switch (weights.type) {
    case 'f32':
      return addFloats(tensors, name, { dtype: 'F32', shape, bytes: bytesOf(weights.data) });
    case 'f16':
      return addFloats(tensors, name, { dtype: 'F16', shape, bytes: bytesOf(weights.data) });
    case 'i8':
      tensors.set(name + SUFFIX.scale, vector('F32', weights.scales));
      return addIntegers(tensors, name, { dtype: 'I8', shape, bytes: bytesOf(weights.data) });
    case 'u8':
      // PyTorch keeps the scale of a whole tensor in double.
      tensors.set(name + SUFFIX.scale, vector('F64', Float64Array.of(weights.scale)));
      tensors.set(name + SUFFIX.zeroPoint, vector('U8', Uint8Array.of(weights.zeroPoint)));
      return addIntegers(tensors, name, { dtype: 'U8', shape, bytes: bytesOf(weights.data) });
  }
}

/** Floats are hardly compressible but for their zeros. */
function addFloats(
  tensors: Map<string, Tensor>,
  name: string,
  plain: Tensor & { dtype: 'F32' | 'F16' },
): Encoding | undefined {
  const { dtype, shape, bytes } = plain;
  const { buffer, byteOffset } = bytes;
  const elements =
    dtype === 'F32'
      ? new Int32Array(buffer, byteOffset, bytes.length / 4)
      : new Int16Array(buffer, byteOffset, bytes.length / 2);
  if (sparseBytes(elements) + CODING_OVERHEAD_BYTES >= bytes.length) {
    tensors.set(name, plain);
    return undefined;
  }
  const { bitmap, values } = encodeSparse(elements);
  tensors.set(name + SUFFIX.bitmap, vector('U8', bitmap));
  tensors.set(name + SUFFIX.values, vector(dtype, values));
  return { coding: 'bitmap', dtype, shape };
}

/** Quantized weights, bell-shaped and often zero, have well below 8 bits of entropy. */
function addIntegers(
  tensors: Map<string, Tensor>,
  name: string,
  plain: Tensor & { dtype: 'I8' | 'U8' },
): Encoding | undefined {
  const { dtype, shape, bytes } = plain;
  const { deflateRawSync, constants } = zlib();
  // Weights have no repetitions worth finding; Huffman coding alone gives the same bytes on every machine.
  const deflated = deflateRawSync(bytes, { level: 9, memLevel: 9, strategy: constants.Z_HUFFMAN_ONLY });
  if (deflated.length + CODING_OVERHEAD_BYTES >= bytes.length) {
    tensors.set(name, plain);
    return undefined;
  }
  tensors.set(name + SUFFIX.deflate, vector('U8', deflated));
  return { coding: 'deflate', dtype, shape };
}

function vector(dtype: Tensor['dtype'], values: ArrayBufferView & { readonly length: number }): Tensor {
  return { dtype, shape: [values.length], bytes: bytesOf(values) };
}

function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
