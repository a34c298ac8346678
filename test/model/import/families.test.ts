// Networks of timm and Keras, read by their own names, against what the libraries themselves answer.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readModel } from '../../../lib/model/files.js';
import { createSession } from '../../../lib/runtime/session.js';
import { type FamilyGolden, floatsOf, readGolden } from '../../golden/files.js';
import { randomNetworkInput, randomNetworkTensors, safetensorsBytes } from '../../golden/randomNetwork.js';
import { describeShared } from '../../shared.js';
import { npzBytes } from './npzBytes.js';

const goldens = join(dirnameOf(import.meta.url), '..', '..', 'golden');

function dirnameOf(url: string): string {
  return fileURLToPath(new URL('.', url));
}

async function largestDifference(file: Uint8Array, golden: FamilyGolden, options = {}): Promise<number> {
  const model = await readModel(file, options);
  await using session = await createSession(model, { threads: 1 });
  const output = await session.run(randomNetworkInput(golden.network, golden.images));
  const expected = floatsOf(golden.logits);
  expect(output).toHaveLength(expected.length);
  return Math.max(...output.map((value, i) => Math.abs(value - expected[i]!))) / golden.range;
}

describe("timm's", () => {
  it.each(['mobilenetv3_small_050', 'mobilenetv3_large_100'])('%s gives its logits', async (name) => {
    const golden = readGolden<FamilyGolden>(goldens, `timm-${name}`);
    const file = safetensorsBytes(randomNetworkTensors(golden.network));
    expect(await largestDifference(file, golden)).toBeLessThan(1e-4);
    const { architecture, preprocessing, provenance } = await readModel(file);
    expect(architecture).toMatchObject({ batchNormEpsilon: 1e-5 });
    expect(architecture).not.toHaveProperty('padding');
    expect(preprocessing).toMatchObject({ interpolation: 'bicubic', assumed: true });
    expect(provenance[0]!.details).toEqual({ from: 'safetensors state_dict', layout: 'timm' });
  });

  it("tf_mobilenetv3_small_075 gives its logits, once told TensorFlow's padding and epsilon", async () => {
    const golden = readGolden<FamilyGolden>(goldens, 'timm-tf_mobilenetv3_small_075');
    const file = safetensorsBytes(randomNetworkTensors(golden.network));
    const said = { padding: 'same', batchNormEpsilon: 0.001 } as const;
    expect(await largestDifference(file, golden, said)).toBeLessThan(1e-4);
    expect(await largestDifference(file, golden)).toBeGreaterThan(0.01);
    const { architecture } = await readModel(file, said);
    expect(architecture).toMatchObject({ padding: 'same' });
    expect(architecture).not.toHaveProperty('batchNormEpsilon');
  });

  it.each(['classifier.1', 'fc', 'head.1'])("may have somebody's own Linear as its classifier: %s", async (module) => {
    const golden = readGolden<FamilyGolden>(goldens, 'timm-mobilenetv3_small_050');
    const tensors = new Map(
      [...randomNetworkTensors(golden.network)].map(([name, tensor]) => [
        name.replace(/^classifier/, module).replace(/^(conv_|bn1|blocks)/, module === 'fc' ? 'backbone.$1' : '$1'),
        tensor,
      ]),
    );
    expect(await largestDifference(safetensorsBytes(tensors), golden)).toBeLessThan(1e-4);
  });

  it('networks of another shape are refused by what is different', async () => {
    const { network } = readGolden<FamilyGolden>(goldens, 'timm-mobilenetv3_small_050');
    const refusal = (change: (tensors: ReturnType<typeof randomNetworkTensors>) => void): Promise<unknown> => {
      const tensors = randomNetworkTensors(network);
      change(tensors);
      return readModel(safetensorsBytes(tensors)).then(
        () => 'it was read',
        (error: unknown) => error,
      );
    };
    const architecture = (message: RegExp) =>
      expect.objectContaining({ code: 'ERR_MODEL_ARCHITECTURE', message: expect.stringMatching(message) });
    expect(await refusal((tensors) => tensors.delete('conv_head.bias'))).toEqual(architecture(/mobilenetv3_rw/));
    expect(
      await refusal((tensors) => {
        tensors.delete('classifier.weight');
        tensors.delete('classifier.bias');
      }),
    ).toEqual(architecture(/behind conv_head it has no linear layer/));
    expect(
      await refusal((tensors) => {
        tensors.delete('classifier.weight');
        tensors.delete('classifier.bias');
        for (const name of ['classifier.0.weight', 'classifier.2.weight']) {
          tensors.set(name, { shape: [2, 2], data: new Float32Array(4) });
        }
      }),
    ).toEqual(architecture(/classifier\.0 and classifier\.2, where timm has one/));
    expect(
      await refusal((tensors) => {
        for (const name of [...tensors.keys()]) if (name.includes('.se.')) tensors.delete(name);
      }),
    ).toEqual(architecture(/names with minimal/));
    expect(await refusal((tensors) => tensors.delete('blocks.2.1.bn3.bias'))).toEqual(
      architecture(/features\.5.*bias/),
    );
    const extra = (name: string) => (tensors: ReturnType<typeof randomNetworkTensors>) =>
      tensors.set(name, { shape: [1], data: Float32Array.of(1) });
    expect(await refusal(extra('head_norm.weight'))).toEqual(architecture(/head_norm\.weight/));
    expect(await refusal(extra('blocks.4.9.conv_pw.weight'))).toEqual(architecture(/12 blocks instead of 11/));
    const twice = (tensors: ReturnType<typeof randomNetworkTensors>): void => {
      for (const [name, tensor] of [...tensors]) {
        if (name.startsWith('blocks.0.0.se.')) tensors.set(name.replace('0.0', '1.0'), tensor);
      }
    };
    expect(await refusal(twice)).toEqual(architecture(/no squeeze-and-excitation in block 2/));
  });
});

describeShared('a shared .npz of folded Keras weights', (sharedDir) => {
  it.each(['photos-first', 'keras-mobilenetv3-small-imagenet-notop'])(
    '%s gives what PyTorch computes',
    async (name) => {
      const golden = readGolden<FamilyGolden>(goldens, `folded-${name}`);
      const file = new Uint8Array(readFileSync(join(sharedDir, 'checkpoints', `${name}.npz`)));
      expect(await largestDifference(file, golden)).toBeLessThan(1e-4);
    },
  );
});

describe("Keras'", () => {
  it.each([
    ['small', { hidden: 1024, classes: 5 }],
    ['small-notop', { hidden: 0, classes: 0 }],
    ['small-dense', { hidden: 0, classes: 3 }],
    ['large', { name: 'mobilenet_v3_large', hidden: 1280, classes: 4 }],
  ] as const)('%s gives what it gives in Keras, from the .npz of its weights', async (name, architecture) => {
    const golden = readGolden<FamilyGolden>(goldens, `keras-${name}`);
    const file = npzBytes(randomNetworkTensors(golden.network));
    expect(await largestDifference(file, golden)).toBeLessThan(1e-4);
    const model = await readModel(file);
    expect(model.architecture).toMatchObject({ ...architecture, padding: 'same' });
    expect(model.preprocessing).toMatchObject({ range: [-1, 1], assumed: true });
  });
});
