import { createHash } from 'node:crypto';

/** A float32 tensor of a state dict; a vector has a shape of one entry. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** One layer of mosaic in a generated picture: squares of `cell` pixels, values within +- `scale` / 2. */
export interface MosaicLevel {
  readonly cell: number;
  readonly scale: number;
}

/** How a tensor is regenerated: from the random stream named after it, or from 8-bit codes kept in the golden file. */
export type TensorRecipe = { readonly name: string; readonly shape: readonly number[] } & (
  | { readonly scale: number; readonly offset: number }
  | { readonly unit: number; readonly codeType: 'int8' | 'uint8'; readonly codes: string }
);

/** The `network` entry of a `random-*.json` golden file. */
export interface RandomNetworkRecipe {
  readonly seed: string;
  /** `[H, W]` */
  readonly inputSize: readonly [number, number];
  readonly levels: readonly MosaicLevel[];
  /** Over the float32 bytes of all tensors, in order. */
  readonly sha256: string;
  /** Over the float32 bytes of picture 0, `[H, W, 3]`. */
  readonly inputSha256: string;
  readonly tensors: readonly TensorRecipe[];
}

/** FNV-1a, 32 bits, of the text's UTF-8 bytes. */
function streamSeed(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}

/**
 * `count` float32 numbers in `offset` +- `scale` / 2, the same bits as scripts/proof/goldens/generator.py makes: mulberry32,
 * of whose outputs the upper 24 bits count, then one float32 product and one float32 sum.
 */
function uniform(seedText: string, count: number, scale: number, offset: number): Float32Array {
  const values = new Float32Array(count);
  let state = streamSeed(seedText);
  for (let i = 0; i < count; i++) {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= (t + Math.imul(t ^ (t >>> 7), t | 61)) | 0;
    const centred = (((t ^ (t >>> 14)) >>> 8) - 0x800000) * 2 ** -24;
    values[i] = Math.fround(centred * scale) + offset;
  }
  return values;
}

function regenerate(seed: string, recipe: TensorRecipe): Float32Array {
  if ('codes' in recipe) {
    const bytes = Buffer.from(recipe.codes, 'base64');
    const codes = recipe.codeType === 'int8' ? Int8Array.from(bytes) : bytes;
    return Float32Array.from(codes, (code) => code * recipe.unit);
  }
  const count = recipe.shape.reduce((product, side) => product * side, 1);
  return uniform(`${seed}/${recipe.name}`, count, recipe.scale, recipe.offset);
}

/**
 * The state dict of a golden random network, under torchvision's names and in its order, without `num_batches_tracked`.
 * Throws when the bits are not those that PyTorch was given.
 */
export function randomNetworkTensors(recipe: RandomNetworkRecipe): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  const digest = createHash('sha256');
  for (const tensor of recipe.tensors) {
    const data = regenerate(recipe.seed, tensor);
    digest.update(bytesOf(data));
    tensors.set(tensor.name, { shape: tensor.shape, data });
  }
  if (digest.digest('hex') !== recipe.sha256) {
    throw new Error(`The tensors of random network ${recipe.seed} differ from those its golden logits were made with`);
  }
  return tensors;
}

/** Generated pictures as one `[N, H, W, 3]` tensor: for each a sum of random mosaics, coarse to fine. */
export function randomNetworkInput(recipe: RandomNetworkRecipe, images: readonly number[]): Float32Array {
  const [height, width] = recipe.inputSize;
  const size = height * width * 3;
  const batch = new Float32Array(images.length * size);
  images.forEach((image, n) => {
    const picture = batch.subarray(n * size, (n + 1) * size);
    for (const { cell, scale } of recipe.levels) {
      const columns = width / cell;
      const mosaic = uniform(`${recipe.seed}/image/${image}/${cell}`, (height / cell) * columns * 3, scale, 0);
      for (let y = 0, at = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const tile = (Math.floor(y / cell) * columns + Math.floor(x / cell)) * 3;
          // Storing rounds each partial sum to float32, as the generator of the goldens does.
          for (let c = 0; c < 3; c++, at++) picture[at]! += mosaic[tile + c]!;
        }
      }
    }
    if (image === 0 && createHash('sha256').update(bytesOf(picture)).digest('hex') !== recipe.inputSha256) {
      throw new Error(`Pictures of random network ${recipe.seed} differ from those its golden logits were made with`);
    }
  });
  return batch;
}

/** A state dict as the bytes of a plain `.safetensors` file, written independently of the library's own writer. */
export function safetensorsBytes(tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  const header: Record<string, { dtype: 'F32'; shape: readonly number[]; data_offsets: [number, number] }> = {};
  let end = 0;
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [end, (end += data.byteLength)] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const padding = Buffer.alloc((8 - (json.length % 8)) % 8, ' ');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length + padding.length));
  return Buffer.concat([length, json, padding, ...Array.from(tensors.values(), ({ data }) => bytesOf(data))]);
}

function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
