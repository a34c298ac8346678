import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { readModel } from '../../../lib/model/files.js';
import { foldModel } from '../../../lib/model/foldBatchNorm.js';
import type { Model } from '../../../lib/model/model.js';
import { layerSpecs } from '../../../lib/model/network.js';
import { toFloat32 } from '../../../lib/model/weights.js';
import { plainArchitecture } from '../../compress/running.js';
import { randomModel } from '../../randomModel.js';
import { npyBytes, npzBytes } from './npzBytes.js';

const NAMES = { stem: 'stem', last: 'last', hidden: 'hidden', logits: 'head' } as Readonly<Record<string, string>>;
const IN_BLOCK = { expand: 'exp', depthwise: 'dw', squeeze: 'se.fc1', excite: 'se.fc2', project: 'pr' } as const;

type Tensors = Map<string, { shape: readonly number[]; data: Float32Array }>;

/** The folded weights of `model` as the training of this package saves them. */
function tensorsOf(model: Model): Tensors {
  const tensors: Tensors = new Map();
  const folded = foldModel(model);
  for (const { name, role, block, shape } of layerSpecs(model.architecture)) {
    const key = block === undefined ? NAMES[role]! : `features.${block + 1}.${IN_BLOCK[role as keyof typeof IN_BLOCK]}`;
    const { weights, bias } = folded.layers.get(name)!;
    const data = toFloat32(weights);
    const [outputs, inputs] = shape as [number, number];
    const isMatrix = shape.length === 2;
    tensors.set(`${key}.weight`, {
      shape: isMatrix ? [inputs, outputs] : shape,
      data: isMatrix ? data.map((_, i) => data[(i % outputs) * inputs + Math.floor(i / outputs)]!) : data,
    });
    tensors.set(`${key}.bias`, { shape: [outputs], data: bias! });
  }
  return tensors;
}

function networkWith(head: { hidden?: number; classes?: number }): Model {
  return plainArchitecture(randomModel({ ...head, conventions: { padding: 'same' } }));
}

const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe('an .npz of folded Keras weights', () => {
  it.each([
    ['a linear head', { hidden: 0 }],
    ['a hidden layer', { hidden: 40 }],
    ['no head', { hidden: 0, classes: 0 }],
  ])('with %s is read, stored or compressed', async (_, head) => {
    const model = networkWith(head);
    for (const level of [0, 6] as const) {
      const read = await readModel(npzBytes(tensorsOf(model), { level }));
      expect(read.architecture).toEqual(model.architecture);
      expect(read.layers).toEqual(foldModel(model).layers);
      expect(read.preprocessing).toMatchObject({ size: [224, 224], range: [-1, 1], assumed: true });
      expect(read.provenance).toEqual([
        { step: 'convert', details: { from: 'NumPy arrays', layout: 'Keras, folded' } },
      ]);
    }
  });

  it('may hold matrices of squeeze-and-excitation, doubles, and arrays in Fortran order', async () => {
    const model = networkWith({ hidden: 0 });
    const tensors = tensorsOf(model);
    const files = Object.fromEntries(
      [...tensors].map(([name, { shape, data }]) => {
        const sides = name.includes('.se.') ? shape.slice(0, 2) : shape;
        if (name === 'stem.bias') return [`${name}.npy`, npyBytes(shape, Float64Array.from(data), { descr: '<f8' })];
        if (name !== 'head.weight') return [`${name}.npy`, npyBytes(sides, data)];
        const [rows, columns] = shape as [number, number];
        const turned = data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!);
        return [`${name}.npy`, npyBytes(shape, turned, { fortran: true })];
      }),
    );
    expect((await readModel(zipSync(files))).layers).toEqual(foldModel(model).layers);
  });

  it.each<[string, (tensors: Tensors) => unknown, RegExp]>([
    ['misses an array', (tensors) => tensors.delete('features.3.pr.bias'), /features\.3.*bias/],
    ['has one that belongs nowhere', (t) => t.set('extra.weight', t.get('last.bias')!), /extra\.weight/],
    ['has one of another shape', (t) => t.set('stem.bias', { shape: [3], data: new Float32Array(3) }), /\[8\].*\[3\]/],
    ['has a block too many', (t) => t.set('features.12.dw.weight', t.get('features.11.dw.weight')!), /12 blocks/],
    ['has a vector for a kernel', (t) => t.set('last.weight', t.get('last.bias')!), /shape \[72\]/],
  ])('is refused when it %s', async (_, change, message) => {
    const tensors = tensorsOf(networkWith({ hidden: 0 }));
    change(tensors);
    await expect(readModel(npzBytes(tensors))).rejects.toEqual(refusal('ERR_MODEL_ARCHITECTURE', message));
  });

  const good = npyBytes([2], Float32Array.of(1, 2));
  const text = (header: string): Uint8Array => {
    const bytes = Buffer.from(good);
    bytes.write(header.padEnd(bytes.readUInt16LE(8)), 10);
    return bytes;
  };
  it.each<[string, Uint8Array, string, RegExp]>([
    ['is empty', new Uint8Array(0), 'ERR_MODEL_FORMAT', /stem\.weight\.npy.*does not begin/],
    ['is cut short in its header', good.subarray(0, 40), 'ERR_MODEL_FORMAT', /header is cut short/],
    [
      'holds Python objects',
      text("{'descr': '|O', 'fortran_order': False, 'shape': (8, 3, 3, 3), }"),
      'ERR_MODEL_ARCHITECTURE',
      /Expected floats.*\|O/,
    ],
    ['has no shape', text("{'descr': '<f4', 'fortran_order': False, }"), 'ERR_MODEL_FORMAT', /header is/],
    [
      'has a shape of a thousand axes',
      text(`{'descr': '<f4', 'fortran_order': False, 'shape': (${'1,'.repeat(30)})}`),
      'ERR_MODEL_FORMAT',
      /its (shape|header) is/,
    ],
    [
      'has fewer numbers than its shape says',
      npyBytes([8, 3, 3, 3], Float32Array.of(1, 2)),
      'ERR_MODEL_FORMAT',
      /8 bytes of numbers/,
    ],
    [
      'holds integers',
      npyBytes([8, 3, 3, 3], new Int32Array(216), { descr: '<i4' }),
      'ERR_MODEL_ARCHITECTURE',
      /Expected floats.*<i4/,
    ],
  ])('is refused when an array %s', async (_, bytes, code, message) => {
    const files = [...tensorsOf(networkWith({ hidden: 0 }))].map(
      ([name, { shape, data }]) => [`${name}.npy`, npyBytes(shape, data)] as const,
    );
    const archive = zipSync({ ...Object.fromEntries(files), 'stem.weight.npy': bytes });
    await expect(readModel(archive)).rejects.toEqual(refusal(code, message));
  });

  it('is refused beyond the limits', async () => {
    const file = npzBytes(tensorsOf(networkWith({ hidden: 0 })), { level: 6 });
    const limited = readModel(file, { limits: { inflatedBytes: 1000 } });
    await expect(limited).rejects.toEqual(refusal('ERR_MODEL_FORMAT', /limits\.inflatedBytes/));
    const weights = readModel(file, { limits: { tensorBytes: 1000 } });
    await expect(weights).rejects.toEqual(refusal('ERR_MODEL_FORMAT', /limits\.tensorBytes/));
  });

  it('has no networks to choose from', async () => {
    const file = npzBytes(tensorsOf(networkWith({ hidden: 0 })));
    await expect(readModel(file, { key: 'ema' })).rejects.toEqual(refusal('ERR_INVALID_ARGUMENT', /options\.key/));
  });
});
