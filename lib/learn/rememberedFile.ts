import { fileError, invalidArgument, NeonsenseError, shortened } from '../errors.js';
import { readRegularFile } from '../files/openFile.js';
import { writeFileAtomically } from '../files/writeFile.js';
import { encodeSafetensors, parseSafetensors } from '../model/format/safetensors.js';
import type { Remembered } from './remember.js';
import { checkRemembered, rememberedLabels } from './remembered.js';

/** Bytes such a file may have: ten thousand photos take a tenth of it. */
const MOST_BYTES = 1 << 28;

/** Where what was remembered for a model's file is kept: beside it. */
export function rememberedFile(modelFile: string): string {
  return `${modelFile.replace(/\.safetensors$/, '')}.features.safetensors`;
}

/**
 * Writes what {@link readRemembered} reads: `features` `[photos, width]` and `labels` `[photos]`.
 *
 * @throws {NeonsenseError} `ERR_NOT_FOUND`, `ERR_IO`, `ERR_INVALID_ARGUMENT`
 */
export async function writeRemembered(file: string, remembered: Remembered): Promise<void> {
  const { labels, base, samples } = checkRemembered(remembered, 'remembered');
  const bytesOf = (array: Float32Array | Int32Array): Uint8Array =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const photos = samples.labels.length;
  const encoded = encodeSafetensors({
    metadata: new Map([
      ['labels', JSON.stringify(labels)],
      ['base', base],
    ]),
    tensors: new Map([
      ['features', { dtype: 'F32', shape: [photos, samples.width], bytes: bytesOf(samples.features) }],
      ['labels', { dtype: 'I32', shape: [photos], bytes: bytesOf(samples.labels) }],
    ]),
  });
  await writeFileAtomically(file, encoded);
}

/**
 * Reads what an earlier `learn` remembered.
 *
 * @throws {NeonsenseError} `ERR_NOT_FOUND`, `ERR_IO`; `ERR_MODEL_FORMAT` for a file that is another or damaged
 */
export async function readRemembered(file: string): Promise<Remembered> {
  if (typeof file !== 'string' || file === '') throw invalidArgument('file', 'a path', file);
  const bytes = await readRegularFile(file).catch((cause: unknown) => {
    const path = shortened(file);
    throw fileError(cause, `There is no ${path}, which learning has written beside the model`, `${path} can't be read`);
  });
  if (bytes.length > MOST_BYTES)
    throw damaged(file, `it has ${bytes.length} bytes, more than the ${MOST_BYTES} allowed`);
  const { metadata, tensors } = parseSafetensors(bytes);
  const features = tensors.get('features');
  const numbers = tensors.get('labels');
  const base = metadata.get('base');
  const labels = rememberedLabels.safeParse(parsed(metadata.get('labels')));
  if (base === undefined || !labels.success) throw damaged(file, 'it names no labels');
  const [photos = 0, width = 0] = features?.shape ?? [];
  if (features?.dtype !== 'F32' || features.shape.length !== 2 || photos === 0 || width === 0) {
    throw damaged(file, 'it has no features, [photos, width]');
  }
  if (numbers?.dtype !== 'I32' || numbers.shape.length !== 1 || numbers.shape[0] !== photos) {
    throw damaged(file, 'it has not one label for each photo');
  }
  const samples = {
    features: new Float32Array(new Uint8Array(features.bytes).buffer),
    labels: new Int32Array(new Uint8Array(numbers.bytes).buffer),
    width,
    classes: labels.data.length,
  };
  if (!samples.labels.every((label) => label >= 0 && label < samples.classes))
    throw damaged(file, 'a label is no class');
  if (!samples.features.every(Number.isFinite)) throw damaged(file, 'a feature is no finite number');
  return { labels: labels.data, base, samples };
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

function damaged(file: string, what: string): NeonsenseError {
  return new NeonsenseError('ERR_MODEL_FORMAT', `${shortened(file)} is not what learning remembers: ${what}`);
}
