import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readModel } from '../../../../lib/model/files.js';
import type { Model } from '../../../../lib/model/model.js';
import { seededRandom } from '../../../../lib/numbers/random.js';
import { bitsOf } from '../../../bitsOf.js';
import { randomModel } from '../../../randomModel.js';
import { describeShared } from '../../../shared.js';
import type { Piece } from './checkpoint.js';
import { archive, pickle, quantizedTensor, stateDictFile, stateOf, tensor, tensorsOf } from './checkpoint.js';
import { moduleTree } from './scriptFile.js';

const model = randomModel({ seed: 11, classes: 4 });

/** The bits of the layers alone. */
function layersOf({ layers }: Model): Map<string, string> {
  return bitsOf({ layers } as Model);
}

async function expectSameLayers(file: Uint8Array): Promise<Model> {
  const read = await readModel(file);
  expect(layersOf(read)).toEqual(layersOf(model));
  return read;
}

describe('a .pth file', () => {
  it('gives back the weights bit by bit, with default labels and preprocessing', async () => {
    const read = await expectSameLayers(stateDictFile(model));
    expect(read).toMatchObject({
      labels: ['class 0', 'class 1', 'class 2', 'class 3'],
      precision: 'fp32',
      preprocessing: { reduce: [224, 224], size: [224, 224] },
      provenance: [{ step: 'convert', details: { from: 'PyTorch state_dict' } }],
    });
  });

  it('is read when its files are deflated', async () => {
    const { entries, storages } = stateOf(model);
    await expectSameLayers(archive({ root: pickle.dict(entries), storages }, { level: 6 }));
  });

  it.each(['module.', 'model.', 'module.model.', '_orig_mod.'])('loses the prefix %s', async (prefix) => {
    const { entries, storages } = stateOf(model, prefix);
    entries.set(
      `${prefix}features.0.1.num_batches_tracked`,
      tensor({ storage: 'LongStorage', key: 'n', length: 1, shape: [] }),
    );
    await expectSameLayers(archive({ root: pickle.dict(entries), storages }));
  });

  it.each([['state_dict'], ['model_state_dict'], ['model'], ['state_dict', 'model']])(
    'is found under %s',
    async (...keys) => {
      const { entries, storages } = stateOf(model);
      let root = pickle.dict(entries);
      for (const key of keys.reverse()) {
        root = pickle.dict([
          ['epoch', pickle.integer(3)],
          [key, root],
          ['loss', pickle.float(0.5)],
          ['note', pickle.text('x')],
        ]);
      }
      await expectSameLayers(archive({ root, storages }));
    },
  );

  it('reads parameters, transposed and shared storages, and offsets', async () => {
    const { entries, storages } = stateOf(model);
    const [name, { shape, data }] = [...tensorsOf(model)].find(
      ([tensorName]) => tensorName === 'features.2.block.0.0.weight',
    )!;
    const [rows, columns] = shape as [number, number, number, number];
    // Column by column, behind five other numbers.
    const transposed = new Float32Array(5 + data.length).fill(9);
    data.forEach((value, i) => (transposed[5 + (i % columns) * rows + Math.floor(i / columns)] = value));
    storages.set('t', new Uint8Array(transposed.buffer));
    const strides = [1, rows, 77, 1_000_000];
    const view = tensor({ key: 't', length: transposed.length, shape, strides, offset: 5 });
    const rebuild = pickle.global('torch._utils', '_rebuild_parameter');
    entries.set(name, pickle.call(rebuild, view, pickle.boolean(true), pickle.none));
    await expectSameLayers(archive({ root: pickle.dict(entries), storages }));
  });

  it.each([
    ['DoubleStorage', (data: Float32Array) => Float64Array.from(data)],
    ['HalfStorage', (data: Float32Array) => Uint16Array.from(data, (x) => (x < 0 ? 0xbc00 : 0x3c00))],
    ['BFloat16Storage', (data: Float32Array) => Uint16Array.from(data, (x) => (x < 0 ? 0xbf80 : 0x3f80))],
  ])('converts a %s', async (storage, convert) => {
    const { entries, storages } = stateOf(model);
    const { data, shape } = tensorsOf(model).get('classifier.3.weight')!;
    storages.set('c', new Uint8Array(convert(data).buffer));
    entries.set('classifier.3.weight', tensor({ storage, key: 'c', length: data.length, shape }));
    const read = await readModel(archive({ root: pickle.dict(entries), storages }));
    const expected = storage === 'DoubleStorage' ? data : data.map((x) => (x < 0 ? -1 : 1));
    expect(
      Buffer.compare(
        Buffer.from(read.layers.get('classifier.3')!.weights.data.buffer.slice(0)),
        Buffer.from(expected.buffer),
      ),
    ).toBe(0);
  });

  it('dequantizes per tensor and per channel along any axis, and drops the ranges of activations', async () => {
    const { entries, storages } = stateOf(model);
    const random = seededRandom(4);
    const { shape } = tensorsOf(model).get('classifier.3.weight')!;
    const [rows, columns] = shape as [number, number];
    const q = Int8Array.from({ length: rows * columns }, () => Math.floor(random() * 256) - 128);
    storages.set('q', new Uint8Array(q.buffer));
    const perTensor = pickle.tuple(
      pickle.global('torch', 'per_tensor_affine'),
      pickle.float(0.015625),
      pickle.integer(-3),
    );
    const perChannel = (axis: number, count: number): Piece => {
      storages.set(`s${axis}`, new Uint8Array(Float64Array.from({ length: count }, (_, i) => 2 ** -(i % 9)).buffer));
      storages.set(
        `z${axis}`,
        new Uint8Array(BigInt64Array.from({ length: count }, (_, i) => BigInt(i % 5) - 2n).buffer),
      );
      const scales = tensor({ storage: 'DoubleStorage', key: `s${axis}`, length: count, shape: [count] });
      const zeroPoints = tensor({ storage: 'LongStorage', key: `z${axis}`, length: count, shape: [count] });
      return pickle.tuple(pickle.global('torch', 'per_channel_affine'), scales, zeroPoints, pickle.integer(axis));
    };
    const cases: [Piece, (row: number, column: number, value: number) => number][] = [
      [perTensor, (_row, _column, value) => (value + 3) / 64],
      [perChannel(0, rows), (row, _column, value) => (value - ((row % 5) - 2)) * 2 ** -(row % 9)],
      [perChannel(1, columns), (_row, column, value) => (value - ((column % 5) - 2)) * 2 ** -(column % 9)],
    ];
    for (const [quantizer, expected] of cases) {
      const bias = entries.get('classifier.3.bias')!;
      const weight = quantizedTensor({ storage: 'QInt8Storage', key: 'q', length: q.length, shape }, quantizer);
      const packed = new Map(entries).set('classifier.3._packed_params._packed_params', pickle.tuple(weight, bias));
      packed.delete('classifier.3.weight');
      packed.delete('classifier.3.bias');
      packed.set('classifier.3._packed_params.dtype', pickle.global('torch', 'qint8'));
      storages.set('one', new Uint8Array(4));
      packed.set('classifier.3.scale', tensor({ key: 'one', length: 1, shape: [] }));
      packed.set('quant.zero_point', tensor({ storage: 'IntStorage', key: 'one', length: 1, shape: [1] }));
      packed.set('features.0.0.bias', pickle.none);
      const read = await readModel(archive({ root: pickle.dict(packed), storages }));
      const values = Array.from(q, (value, i) => expected(Math.floor(i / columns), i % columns, value));
      expect([...read.layers.get('classifier.3')!.weights.data]).toEqual(values.map((x) => x + 0));
      expect(read.precision).toBe('fp32');
      expect(read.provenance[0]!.details).toMatchObject({ dequantizedTensors: 1 });
    }
  });
});

it('a TorchScript file that was frozen is refused, saying what to do', async () => {
  const root = moduleTree(new Map());
  const extra = { 'constants.pkl': Buffer.from([0x80, 2, 0x29, 0x2e]) };
  await expect(readModel(archive({ root, storages: new Map(), extra }))).rejects.toMatchObject({
    code: 'ERR_UNSUPPORTED',
    message: expect.stringContaining('torch.jit.freeze'),
  });
});

describeShared('the shared checkpoints', (shared) => {
  // SHA-256 over `tensor.dequantize().float()` of every tensor but num_batches_tracked, in state_dict order, by PyTorch
  // 1.13. The float file of the second pair was dequantized from the quantized one by PyTorch.
  it.each([
    ['household-first.pth', 'fd17fe653d2d6e189c68d7a552281d01edf725c9718dd992347fb465caead4ef'],
    ['udacisense-fp32.pth', '971c8ddbc7fd090dafca5bad518fe14cfc3d13e61994867fa0a61d6a61f16b76'],
    ['udacisense-static-int8.pth', '971c8ddbc7fd090dafca5bad518fe14cfc3d13e61994867fa0a61d6a61f16b76'],
  ])('%s holds the numbers PyTorch reads', async (file, digest) => {
    const read = await readModel(join(shared, 'checkpoints', file));
    const hash = createHash('sha256');
    for (const { data } of tensorsOf(read).values())
      hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    expect(hash.digest('hex')).toBe(digest);
    expect(read.architecture).toMatchObject({
      name: 'mobilenet_v3_small',
      stem: 16,
      last: 576,
      hidden: 1024,
      classes: 10,
    });
  });
});

/** A Python with PyTorch and torchvision, if there is one. */
const python = [process.env['NEONSENSE_PYTHON'], 'python3', '/usr/bin/python3'].find((candidate) => {
  if (candidate === undefined) return false;
  const find = 'import importlib.util as u, sys; sys.exit(not (u.find_spec("torch") and u.find_spec("torchvision")))';
  try {
    execFileSync(candidate, ['-c', find], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
});

describe.skipIf(python === undefined)('PyTorch (skipped where torch and torchvision are not installed)', () => {
  it('agrees on everything it saves: state_dict, nested, half, channels last, TorchScript, quantized', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'neonsense-torch-'));
    try {
      execFileSync(python!, ['-W', 'ignore', '-c', SAVE_ALL, directory], { stdio: ['ignore', 'ignore', 'inherit'] });
      const read = async (name: string): Promise<Model> => readModel(join(directory, name));
      const plain = await read('plain.pth');
      expect(plain.architecture).toMatchObject({ classes: 3, hidden: 256 });
      for (const name of ['nested.pth', 'channels-last.pth', 'parallel.pth', 'script.pt', 'trace.pt']) {
        expect([name, layersOf(await read(name))]).toEqual([name, layersOf(plain)]);
      }
      expect(layersOf(await read('half.pth'))).toEqual(layersOf(await read('half-as-float.pth')));
      expect(layersOf(await read('dynamic.pth'))).toEqual(layersOf(await read('dynamic-as-float.pth')));
      await expect(read('legacy.pth')).rejects.toMatchObject({
        code: 'ERR_UNSUPPORTED',
        message: expect.stringContaining('1.6'),
      });
      await expect(read('whole.pth')).rejects.toMatchObject({
        code: 'ERR_MODEL_FORMAT',
        message: expect.stringContaining('torchvision.models.mobilenetv3.MobileNetV3'),
      });
      await expect(read('frozen.pt')).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
      await expect(read('resnet.pth')).rejects.toMatchObject({ code: 'ERR_MODEL_ARCHITECTURE' });
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

const SAVE_ALL = `
import sys, torch, torchvision
torch.manual_seed(1)
torch.set_num_threads(1)
torch.backends.quantized.engine = 'qnnpack'
path = sys.argv[1] + '/'
net = torchvision.models.mobilenet_v3_small(num_classes=3, width_mult=0.25).eval()
torch.save(net.state_dict(), path + 'plain.pth')
optimizer = torch.optim.SGD(net.parameters(), 0.1).state_dict()
torch.save({'epoch': 1, 'state_dict': net.state_dict(), 'optimizer': optimizer}, path + 'nested.pth')
torch.save(torch.nn.DataParallel(net).state_dict(), path + 'parallel.pth')
torch.save(net.state_dict(), path + 'legacy.pth', _use_new_zipfile_serialization=False)
torch.save(net, path + 'whole.pth')
torch.jit.script(net).save(path + 'script.pt')
torch.jit.trace(net, torch.rand(1, 3, 64, 64)).save(path + 'trace.pt')
torch.jit.freeze(torch.jit.script(net)).save(path + 'frozen.pt')
torch.save({k: v.half() for k, v in net.state_dict().items()}, path + 'half.pth')
torch.save({k: v.half().float() for k, v in net.state_dict().items()}, path + 'half-as-float.pth')
dynamic = torch.ao.quantization.quantize_dynamic(net, {torch.nn.Linear})
torch.save(dynamic.state_dict(), path + 'dynamic.pth')
state = net.state_dict()
for name in ['classifier.0', 'classifier.3']:
    state[name + '.weight'] = dynamic.get_submodule(name).weight().dequantize()
torch.save(state, path + 'dynamic-as-float.pth')
torch.save(net.to(memory_format=torch.channels_last).state_dict(), path + 'channels-last.pth')
torch.save(torchvision.models.resnet18(num_classes=2).state_dict(), path + 'resnet.pth')
`;
