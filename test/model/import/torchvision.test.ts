// Classifiers of torchvision's network other than its own.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readModel } from '../../../lib/model/files.js';
import type { Model } from '../../../lib/model/model.js';
import { createSession } from '../../../lib/runtime/session.js';
import { safetensorsBytes } from '../../golden/randomNetwork.js';
import { randomModel } from '../../randomModel.js';
import { describeShared } from '../../shared.js';
import { tensorsOf } from './torch/checkpoint.js';

type Tensors = ReturnType<typeof tensorsOf>;

/** The tensors of a network, those of its classifier under other names; undefined leaves a tensor out. */
function renamed(model: Model, names: Readonly<Record<string, string | undefined>>): Tensors {
  const entries = [...tensorsOf(model)].map(([name, tensor]) => [name in names ? names[name] : name, tensor] as const);
  return new Map(entries.filter((entry): entry is [string, (typeof entry)[1]] => entry[0] !== undefined));
}

const linear = randomModel({ hidden: 0 });
const hidden = randomModel({ hidden: 48 });

describe('the classifier of a checkpoint', () => {
  it.each(['classifier', 'classifier.0', 'classifier.1', 'classifier.2.1', 'fc', 'head.fc'])(
    'may be one Linear called %s',
    async (name) => {
      const file = renamed(linear, { 'classifier.weight': `${name}.weight`, 'classifier.bias': `${name}.bias` });
      const read = await readModel(safetensorsBytes(file));
      expect(read.architecture).toMatchObject({ hidden: 0, classes: 10 });
      expect(read.layers.get('classifier')).toEqual(linear.layers.get('classifier'));
    },
  );

  it.each([
    [0, 2],
    [0, 3],
    [1, 4],
    [2, 10],
  ])('may be two Linears with something between them: classifier.%i and .%i', async (first, second) => {
    const file = renamed(hidden, {
      'classifier.0.weight': `classifier.${first}.weight`,
      'classifier.0.bias': `classifier.${first}.bias`,
      'classifier.3.weight': `classifier.${second}.weight`,
      'classifier.3.bias': `classifier.${second}.bias`,
    });
    const read = await readModel(safetensorsBytes(file));
    expect(read.architecture).toMatchObject({ hidden: 48, classes: 10 });
    for (const name of ['classifier.0', 'classifier.3']) expect(read.layers.get(name)).toEqual(hidden.layers.get(name));
  });

  it('may lack its biases, which are zero then', async () => {
    const bare = await readModel(safetensorsBytes(renamed(linear, { 'classifier.bias': undefined })));
    expect(bare.layers.get('classifier')!.bias).toEqual(new Float32Array(10));
    const one = await readModel(safetensorsBytes(renamed(hidden, { 'classifier.0.bias': undefined })));
    expect(one.layers.get('classifier.0')!.bias).toEqual(new Float32Array(48));
    expect(one.layers.get('classifier.3')).toEqual(hidden.layers.get('classifier.3'));
  });

  it('may be absent: the network gives features then', async () => {
    const names = { 'classifier.weight': undefined, 'classifier.bias': undefined };
    const read = await readModel(safetensorsBytes(renamed(linear, names)));
    expect(read.architecture).toMatchObject({ hidden: 0, classes: 0 });
    expect(read.labels).toEqual([]);
    await using session = await createSession(read, { threads: 1 });
    expect(session.outputs).toEqual([{ name: 'pool', shape: [null, 72], type: 'float32' }]);
  });

  const refusals: readonly (readonly [string, Tensors, RegExp])[] = [
    [
      'two Linears with nothing between them',
      renamed(hidden, { 'classifier.3.weight': 'classifier.1.weight', 'classifier.3.bias': 'classifier.1.bias' }),
      /classifier\.0 and classifier\.1.*cannot be told/,
    ],
    [
      'two Linears under other names',
      renamed(hidden, {
        'classifier.0.weight': 'fc1.weight',
        'classifier.0.bias': 'fc1.bias',
        'classifier.3.weight': 'fc2.weight',
        'classifier.3.bias': 'fc2.bias',
      }),
      /fc1 and fc2.*cannot be told/,
    ],
    [
      'three Linears',
      new Map(tensorsOf(hidden)).set('classifier.6.weight', { shape: [2, 10], data: new Float32Array(20) }),
      /3 linear layers/,
    ],
    [
      'a batch norm in the classifier',
      new Map(tensorsOf(hidden)).set('classifier.1.running_mean', { shape: [48], data: new Float32Array(48) }),
      /classifier\.1\.running_mean/,
    ],
    [
      'a Linear of another width',
      new Map(tensorsOf(linear)).set('classifier.weight', { shape: [10, 70], data: new Float32Array(700) }),
      /\[10, 72\].*\[10, 70\]/,
    ],
  ];
  it.each(refusals)('is refused with %s', async (_, tensors, message) => {
    await expect(readModel(safetensorsBytes(tensors))).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_MODEL_ARCHITECTURE', message: expect.stringMatching(message) }),
    );
  });
});

describeShared('checkpoints with other classifiers', (sharedDir) => {
  const folder = join(sharedDir, 'cases', 'checkpoints');

  it.each(['D1-single-linear', 'D2-dropout-linear'])("%s gives PyTorch's logits", async (name) => {
    const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'))[`${name}.pth`] as number[];
    const bytes = readFileSync(join(folder, 'input.f32'));
    const input = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    await using session = await createSession(await readModel(join(folder, `${name}.pth`)), { threads: 1 });
    const logits = await session.run(input);
    const range = Math.max(...expected) - Math.min(...expected);
    logits.forEach((value, i) => {
      expect(Math.abs(value - expected[i]!)).toBeLessThan(2e-4 * range);
    });
  });
});
