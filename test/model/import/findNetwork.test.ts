import { describe, expect, it } from 'vitest';
import { readModel } from '../../../lib/model/files.js';
import type { Model } from '../../../lib/model/model.js';
import { bitsOf } from '../../bitsOf.js';
import { randomModel } from '../../randomModel.js';
import type { Piece } from './torch/checkpoint.js';
import { archive, pickle, stateOf, tensor } from './torch/checkpoint.js';

const model = randomModel({ seed: 11 });
const other = randomModel({ seed: 12 });

function layersOf({ layers }: Model): Map<string, string> {
  return bitsOf({ layers } as Model);
}

/** Both networks' entries, whose storages have different names. */
function twoNetworks(): { first: Map<string, Piece>; second: Map<string, Piece>; storages: Map<string, Uint8Array> } {
  const one = stateOf(model);
  const two = stateOf(other, '', 'b');
  return { first: one.entries, second: two.entries, storages: new Map([...one.storages, ...two.storages]) };
}

const object = (module: string, name: string): Piece => pickle.call(pickle.global(module, name), pickle.text('x'));
const list = (...items: Piece[]): Piece => Buffer.concat([Buffer.from(']('), ...items, Buffer.from('e')]);

describe("a network that somebody's own module took over", () => {
  const linear = randomModel({ seed: 13, architecture: { ...model.architecture, hidden: 0 } });

  it.each([
    ['backbone.', 'fc'],
    ['model.backbone.', 'model.head.1'],
    ['', 'classifier'],
  ])('is found where its features are called %s', async (features, head) => {
    const { entries, storages } = stateOf(linear);
    const renamed = [...entries].map(
      ([name, piece]) => [name.replace(/^features\./, features).replace(/^classifier(?=\.)/, head), piece] as const,
    );
    expect(layersOf(await readModel(archive({ root: pickle.dict(renamed), storages })))).toEqual(layersOf(linear));
  });

  it('is listed beside its moving average of the same kind', async () => {
    const { first, second, storages } = twoNetworks();
    const under = (prefix: string, entries: Map<string, Piece>): [string, Piece][] =>
      [...entries].map(([name, piece]) => [name.replace(/^features\./, `${prefix}.body.`), piece]);
    const root = pickle.dict(
      [...under('net', first), ...under('ema', second)].filter(([name]) => !/^classifier/.test(name)),
    );
    const archived = archive({ root, storages });
    await expect(readModel(archived)).rejects.toThrow(/2 networks: "net", "ema"/);
    expect((await readModel(archived, { key: 'ema' })).architecture.classes).toBe(0);
  });

  it("is not looked for in NumPy's arrays, which are named", async () => {
    const array = object('numpy.core.multiarray', '_reconstruct');
    const root = pickle.dict([['state_dict', pickle.dict([['features.0.0.weight', array]])]]);
    await expect(readModel(archive({ root, storages: new Map() }))).rejects.toThrow(/holds NumPy arrays.*numpy\.savez/);
  });
});

describe('what stands beside the weights', () => {
  const { entries, storages } = stateOf(model);
  const instance = (module: string, name: string): Piece =>
    pickle.instance(pickle.global(module, name), pickle.dict([['lr', pickle.float(0.1)]]));

  it.each<[string, Piece]>([
    ['an argparse.Namespace', instance('argparse', 'Namespace')],
    ['a class of the training script', instance('__main__', 'Config')],
    ['a NumPy scalar', object('numpy.core.multiarray', 'scalar')],
    ['a path', object('pathlib', 'PosixPath')],
    ['a date', object('datetime', 'datetime')],
    ['a device', object('torch', 'device')],
    ['a Counter', pickle.call(pickle.global('collections', 'Counter'), pickle.dict([]))],
    ['an enum', object('enum', 'Kind')],
    ['a function', pickle.global('torch.nn.functional', 'relu')],
    ['a partial call of what was called', pickle.call(object('functools', 'partial'), pickle.integer(1))],
    ['a set', Buffer.concat([Buffer.from([0x8f, 0x28]), pickle.integer(1), Buffer.from([0x90])])],
    ['a frozen set', Buffer.concat([Buffer.from('('), pickle.integer(1), Buffer.from([0x91])])],
    ['bytes', Buffer.from([0x43, 2, 0, 255])],
    ['a long integer', Buffer.from([0x8a, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9])],
    ['a tensor of complex numbers', tensor({ storage: 'ComplexFloatStorage', key: '0', length: 1, shape: [1] })],
    [
      'a dict of a class, filled',
      Buffer.concat([object('omegaconf', 'DictConfig'), pickle.text('k'), pickle.none, Buffer.from('s')]),
    ],
    ['a list of a class, filled', Buffer.concat([object('a', 'List'), pickle.none, Buffer.from('a')])],
    ['the state of an optimizer', pickle.dict([['param_groups', list(pickle.dict([['lr', pickle.float(1)]]))]])],
  ])('may be %s', async (_, piece) => {
    const root = pickle.dict([
      ['before', piece],
      ['model', pickle.dict(entries)],
      ['after', piece],
    ]);
    expect(layersOf(await readModel(archive({ root, storages })))).toEqual(layersOf(model));
  });

  it('is named when a tensor of the network depends on it', async () => {
    const spoiled = new Map(entries).set('classifier.3.bias', object('my_library', 'compressed_tensor'));
    await expect(readModel(archive({ root: pickle.dict(spoiled), storages }))).rejects.toMatchObject({
      code: 'ERR_MODEL_FORMAT',
      message: expect.stringMatching(/classifier\.3\.bias.*my_library\.compressed_tensor.*nothing of it was executed/),
    });
  });

  it('is named when there are no weights at all', async () => {
    const whole = instance('torchvision.models.mobilenetv3', 'MobileNetV3');
    for (const root of [whole, pickle.dict([['model', whole]])]) {
      await expect(readModel(archive({ root, storages: new Map() }))).rejects.toMatchObject({
        code: 'ERR_MODEL_FORMAT',
        message: expect.stringMatching(/torchvision\.models\.mobilenetv3\.MobileNetV3.*model\.state_dict\(\)/),
      });
    }
  });

  it('may be counters, losses and metrics among the weights', async () => {
    const { entries: prefixed, storages: all } = stateOf(model, 'model.');
    all.set('n', new Uint8Array(32));
    prefixed.set('n_averaged', tensor({ storage: 'LongStorage', key: 'n', length: 4, shape: [] }));
    prefixed.set('criterion.weight', tensor({ key: 'n', length: 8, shape: [4] }));
    prefixed.set('model.features.0.0.total_ops', tensor({ key: 'n', length: 8, shape: [1] }));
    prefixed.set('class_weights', tensor({ key: 'n', length: 8, shape: [4] }));
    prefixed.set('val_acc.confmat', tensor({ storage: 'LongStorage', key: 'n', length: 4, shape: [2, 2] }));
    prefixed.set('model.features.0.1.num_batches_tracked', tensor({ key: 'n', length: 8, shape: [] }));
    const read = await readModel(archive({ root: pickle.dict(prefixed), storages: all }));
    expect(layersOf(read)).toEqual(layersOf(model));
  });
});

describe('a state_dict', () => {
  it.each([['ema', 'shadow'], ['state_dict'], ['checkpoint', 'net']])(
    'is found under any keys: %s %s',
    async (...keys) => {
      const { entries, storages } = stateOf(model);
      let root = pickle.dict(entries);
      for (const key of keys.filter((k) => k !== undefined).reverse()) {
        root = pickle.dict([
          [key, root],
          ['epoch', pickle.integer(3)],
        ]);
      }
      expect(layersOf(await readModel(archive({ root, storages })))).toEqual(layersOf(model));
    },
  );

  it('is found in tuples and lists', async () => {
    const { entries, storages } = stateOf(model);
    for (const root of [
      pickle.tuple(pickle.dict(entries), pickle.integer(7)),
      list(pickle.none, pickle.dict(entries)),
    ]) {
      expect(layersOf(await readModel(archive({ root, storages })))).toEqual(layersOf(model));
    }
  });

  it.each(['net.', '0.', 'backbone.model.', '_fsdp_wrapped_module.', 'any.name.at.all.'])(
    'loses the prefix %s',
    async (prefix) => {
      const { entries, storages } = stateOf(model, prefix);
      expect(layersOf(await readModel(archive({ root: pickle.dict(entries), storages })))).toEqual(layersOf(model));
    },
  );

  it('loses wrappers inside of names', async () => {
    const { entries, storages } = stateOf(model);
    const wrapped = new Map(
      [...entries].map(([name, piece]) => [name.replace('features.', 'features.module.'), piece]),
    );
    expect(layersOf(await readModel(archive({ root: pickle.dict(wrapped), storages })))).toEqual(layersOf(model));
  });

  it('keeps a head that stands outside of the prefix', async () => {
    const { entries, storages } = stateOf(model);
    const split = new Map(
      [...entries].map(([name, piece]) => [name.startsWith('features.') ? `base.${name}` : name, piece]),
    );
    expect(layersOf(await readModel(archive({ root: pickle.dict(split), storages })))).toEqual(layersOf(model));
  });

  it('with layers beside the network is refused, naming them, unless the network is chosen', async () => {
    const { entries, storages } = stateOf(model, 'net.');
    entries.set('calibration.weight', tensor({ key: '0', length: 432, shape: [4, 4] }));
    const file = archive({ root: pickle.dict(entries), storages });
    await expect(readModel(file)).rejects.toMatchObject({
      code: 'ERR_MODEL_ARCHITECTURE',
      message: expect.stringMatching(/"net".*calibration\.weight.*--key/),
    });
    expect(layersOf(await readModel(file, { key: 'net' }))).toEqual(layersOf(model));
  });
});

describe('several networks in one file', () => {
  const { first, second, storages } = twoNetworks();
  const nested = archive({
    root: pickle.dict([
      ['model', pickle.dict(first)],
      ['ema', pickle.dict([['module', pickle.dict(second)]])],
    ]),
    storages,
  });
  const prefixed = archive({
    root: pickle.dict([...first, ...[...second].map(([name, piece]) => [`teacher.${name}`, piece] as const)]),
    storages,
  });

  it('are listed', async () => {
    await expect(readModel(nested)).rejects.toMatchObject({
      code: 'ERR_MODEL_ARCHITECTURE',
      message: expect.stringMatching(/2 networks: "model", "ema\.module".*--key/),
    });
    await expect(readModel(prefixed)).rejects.toMatchObject({
      message: expect.stringMatching(/2 networks: "teacher", "" \(at the top\)/),
    });
  });

  it.each([
    ['model', nested, model],
    ['ema.module', nested, other],
    ['ema', nested, other],
    ['teacher', prefixed, other],
    ['', prefixed, model],
  ])('are chosen by the key %o', async (key, file, expected) => {
    const read = await readModel(file, { key });
    expect(layersOf(read)).toEqual(layersOf(expected));
    expect(read.provenance[0]!.details).toMatchObject({ key });
  });

  it('are listed when the key names none', async () => {
    await expect(readModel(nested, { key: 'best' })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(/"best".*"model", "ema\.module"/),
    });
  });

  it('are one when they share their memory', async () => {
    const { entries, storages: own } = stateOf(model);
    const root = pickle.dict([
      ['net', pickle.dict(entries)],
      ['alias', pickle.dict(entries)],
    ]);
    expect(layersOf(await readModel(archive({ root, storages: own })))).toEqual(layersOf(model));
  });
});
