// What is wrong with a model file is found while it is packed, and said as `readModel` says it.
import { describe, expect, it } from 'vitest';
import { Classifier } from '../../lib/classify/classifier.js';
import { quantizeDynamic } from '../../lib/compress/stages/quantizeDynamic.js';
import { quantizeStatic } from '../../lib/compress/stages/quantizeStatic.js';
import { encodeModel, readModel } from '../../lib/model/files.js';
import { foldModel } from '../../lib/model/foldBatchNorm.js';
import { contentHash } from '../../lib/model/format/contentHash.js';
import { encodeSafetensors, parseSafetensors } from '../../lib/model/format/safetensors.js';
import type { Model } from '../../lib/model/model.js';
import { networkOf } from '../../lib/model/network.js';
import { loadBinding } from '../../lib/runtime/load/load.js';
import { randomModel } from '../randomModel.js';

const model = randomModel();
const file = encodeModel(model);
const WEIGHTS = 'features.0.0.weight';

type Parts = { readonly metadata: Map<string, string>; readonly tensors: Map<string, { bytes: Uint8Array }> };

/** The file with something else in it, under the hash of what is in it, or the one it had. */
function changed(
  change: (parts: Parts) => void,
  { rehashed, of = file }: { rehashed: boolean; of?: Uint8Array },
): Uint8Array {
  const { metadata, tensors } = parseSafetensors(of);
  const copies = [...tensors].map(([name, tensor]) => [name, { ...tensor, bytes: tensor.bytes.slice() }] as const);
  const parts = { metadata: new Map(metadata), tensors: new Map(copies) };
  change(parts);
  if (rehashed) parts.metadata.set('sha256', contentHash(parts));
  return encodeSafetensors(parts);
}

const setFloat = (parts: Parts, index: number, value: number, tensor = WEIGHTS): void => {
  const { bytes } = parts.tensors.get(tensor)!;
  new DataView(bytes.buffer, bytes.byteOffset).setFloat32(4 * index, value, true);
};

/** Every layer in whole numbers, with ranges that nobody measured. */
async function quantizedStatically(): Promise<Model> {
  const { nodes } = networkOf(model.architecture, model.preprocessing.size);
  const ranges = Object.fromEntries(nodes.map(({ name }) => [name, { scale: 0.05, zeroPoint: 0 }]));
  const observe = () => {
    throw new Error('nothing is to be looked at');
  };
  const result = await quantizeStatic(model, { activations: 'qs8', keepFloat: [], ranges, calibration: [], observe });
  return result.model;
}

describe('Classifier.load', () => {
  it.each([
    ['a changed weight', changed((parts) => setFloat(parts, 3, 0.5), { rehashed: false })],
    ['a changed label', changed(({ metadata }) => metadata.set('note', 'x'), { rehashed: false })],
    ['an empty hash', changed(({ metadata }) => metadata.set('sha256', ''), { rehashed: false })],
    ['the hash in capitals', changed(({ metadata }) => metadata.set('sha256', 'A'.repeat(64)), { rehashed: false })],
  ])('refuses a file with %s as damaged', async (_, bytes) => {
    const attempt = Classifier.load(bytes);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
    await expect(attempt).rejects.toThrow(/does not have the hash that was stored with it/);
    await expect(readModel(bytes)).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
  });

  it.each([NaN, Infinity])('refuses a weight of %d by its name and place', async (value) => {
    const bytes = changed((parts) => setFloat(parts, 5, value), { rehashed: true });
    const attempt = Classifier.load(bytes);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_MODEL_ARCHITECTURE' });
    await expect(attempt).rejects.toThrow(/features\.0\.0\.weight is (NaN|Infinity) at index 5/);
  });

  it.each<[string, string, number, () => Model | Promise<Model>]>([
    ['a folded bias', 'features.0.0.bias', NaN, () => foldModel(model)],
    ['a variance', 'features.0.1.running_var', -1, () => model],
    ['a mean', 'features.0.1.running_mean', Infinity, () => model],
    ['a bias of int8-dynamic', 'classifier.0.bias', Infinity, () => quantizeDynamic(model)],
    ['a scale of int8-dynamic', 'classifier.0.weight_scale', NaN, () => quantizeDynamic(model)],
    ['a negative scale', 'classifier.0.weight_scale', -1, () => quantizeDynamic(model)],
    ['a bias of int8-static', 'features.1.block.0.0.bias', NaN, quantizedStatically],
    ['an infinite bias of int8-static', 'features.1.block.0.0.bias', -Infinity, quantizedStatically],
    ['a scale of int8-static', 'features.1.block.0.0.weight_scale', Infinity, quantizedStatically],
  ])('refuses %s (%s %d) as readModel does', async (_, tensor, value, make) => {
    const of = encodeModel(await make());
    const bytes = changed((parts) => setFloat(parts, 0, value, tensor), { rehashed: true, of });
    const reading: unknown = await readModel(bytes).catch((error: unknown) => error);
    expect(reading).toMatchObject({ code: 'ERR_MODEL_ARCHITECTURE' });
    await expect(Classifier.load(bytes)).rejects.toThrow((reading as Error).message);
  });

  it('takes a file with more metadata than a plan may have layers', async () => {
    const many = (parts: Parts): void => {
      for (let i = 0; i < 5000; i++) parts.metadata.set(`note ${i}`, 'x');
    };
    await using classifier = await Classifier.load(changed(many, { rehashed: true }), { threads: 1 });
    expect(classifier.labels).toEqual(model.labels);
  });

  it('takes what is whole, from bytes that stay as they were', async () => {
    const bytes = file.slice();
    const classifier = await Classifier.load(bytes, { threads: 1 });
    expect(classifier.labels).toEqual(model.labels);
    expect(Buffer.compare(bytes, file)).toBe(0);
    await classifier.dispose();
  });
});

describe('the addon', () => {
  /** The SHA-256 of no bytes. */
  const NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  const ITSELF = new Uint8Array(64);
  const packedAs = (deflated: Uint8Array, data: ArrayBufferView) => {
    return { sha256: NOTHING, pieces: [], packed: [{ deflated, data }] };
  };
  const options = { threads: 1, profile: false, fp16: false, sparse: false };
  it.each([
    ['no object', 7],
    ['no hash', { pieces: [] }],
    ['pieces that are no list', { sha256: '', pieces: {} }],
    ['a piece without a text', { sha256: '', pieces: [{}] }],
    ['bytes that are floats', { sha256: '', pieces: [{ text: '', bytes: new Float32Array(2) }] }],
    ['another hash', { sha256: '0'.repeat(64), pieces: [{ text: 'abc', bytes: new Uint8Array(3) }], packed: [] }],
    ['no list of what is packed', { sha256: NOTHING, pieces: [] }],
    ['something packed that is nothing', { sha256: NOTHING, pieces: [], packed: [{}] }],
    ['floats that are packed', packedAs(new Uint8Array([3, 0]), new Float32Array(0))],
    ['a stream that is cut short', packedAs(new Uint8Array([3]), new Int8Array(0))],
    ['a stream of another length', packedAs(new Uint8Array([3, 0]), new Uint8Array(1))],
    ['a stream that is its own result', packedAs(ITSELF, ITSELF)],
  ])('refuses content with %s', async (_, content) => {
    const { lower } = await import('../../lib/plan/lower.js');
    const attempt = Promise.resolve().then(() => loadBinding().createSession(lower(model), options, content as never));
    await expect(attempt).rejects.toThrow();
  });

  it.each([
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    ['', NOTHING],
  ])('computes the SHA-256 of %j', async (text, sha256) => {
    const { lower } = await import('../../lib/plan/lower.js');
    const bytes = new TextEncoder().encode(text);
    const pieces = [
      { text: '', bytes: bytes.slice(0, 1) },
      { text: text.slice(1, 2) },
      { text: '', bytes: bytes.slice(2) },
    ];
    const session = await loadBinding().createSession(lower(model), options, { sha256, pieces, packed: [] });
    await session.dispose();
  });
});
