import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readClassNames } from '../../lib/cli/classNames.js';
import { encodeModel, readModel } from '../../lib/model/files.js';
import { PRESETS } from '../../lib/model/preprocessing.js';
import { randomModel } from '../randomModel.js';
import { neonsense, projectRoot } from './run.js';

let folder: string;
let bare: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-convert-'));
  bare = written('bare.safetensors', encodeModel(randomModel({ classes: 4 })));
});
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

describe('names of classes', () => {
  it.each([
    ['lines', 'cat\ndog\nbird\n'],
    ["Teachable Machine's numbered lines", '0 cat\r\n1 dog\r\n2 bird'],
    ["ImageNet's numbers", 'n01440764 cat\nn01443537 dog\nn01484850 bird\n'],
    ['a list', '["cat", "dog", "bird"]'],
    ["transformers' id2label", '{"1": "dog", "0": "cat", "2": "bird"}'],
    ["torchvision's class_to_idx", '{"bird": 2, "cat": 0, "dog": 1}'],
    ["Keras' index with synsets", '{"0": ["n1", "cat"], "1": ["n2", "dog"], "2": ["n3", "bird"]}'],
  ])('are read from %s', async (_, text) => {
    expect(await readClassNames(written('names', text))).toEqual({ labels: ['cat', 'dog', 'bird'] });
  });

  it('are read from the folders of a training set, sorted as ImageFolder sorts them', async () => {
    const train = join(folder, 'train');
    for (const name of ['dog', 'Zebra', 'cat', '.git']) mkdirSync(join(train, name), { recursive: true });
    expect(await readClassNames(train)).toEqual({ labels: ['Zebra', 'cat', 'dog'] });
  });

  it('keep a number that is part of a name', async () => {
    expect(await readClassNames(written('names', '7 up\n5 star'))).toEqual({ labels: ['7 up', '5 star'] });
  });

  it.each([
    ['nothing', ''],
    ['a line without one', 'cat\n\ndog'],
    ['damaged JSON', '["cat"'],
    ['numbers that do not count up', '{"cat": 0, "dog": 2}'],
    ['a list of other things', '[1, 2]'],
  ])('are refused where there is %s', async (_, text) => {
    await expect(readClassNames(written('names', text))).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  it('are missed where there is no file', async () => {
    await expect(readClassNames(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });
});

describe('neonsense convert', () => {
  it('puts names, their translations and preprocessing into one file', async () => {
    const names = { labels: ['cat', 'dog', 'bird', 'fish'], translations: { de: ['Katze', 'Hund', 'Vogel', 'Fisch'] } };
    const classes = written('names.json', JSON.stringify(names));
    const output = join(folder, 'mine.safetensors');
    const { code, stdout, stderr } = await neonsense([
      ...['convert', bare, '-o', output, '--classes', classes, '--preprocess', 'timm'],
    ]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^neonsense: wrote .*, [\d.]+ KiB\n$/)]);
    expect(stdout).toMatch(/classes +4: cat, dog, bird, fish\n +also in +de\n/);
    expect(await readModel(output)).toMatchObject({ ...names, preprocessing: PRESETS.timm });

    const clock = join(projectRoot, 'examples', 'clock.png');
    const german = await neonsense(['classify', '--json', '-m', output, '--language', 'de', clock]);
    const { predictions } = JSON.parse(german.stdout) as { predictions: { label: string; index: number }[] };
    expect(predictions.map(({ label }) => label).sort()).toEqual(['Fisch', 'Hund', 'Katze', 'Vogel']);
    predictions.forEach(({ label, index }) => expect(names.translations.de[index]).toBe(label));

    const other = await neonsense(['classify', '-m', output, '--language', 'fr', clock]);
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/a language the model is translated into \(de\) for `--language`/);
  });

  it('takes a model that comes with neonsense by its name', async () => {
    const output = join(folder, 'household.safetensors');
    const { code, stdout } = await neonsense(['convert', 'household-fp16', '-o', output]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/from +household-fp16\n/);
    expect((await readModel(output)).precision).toBe('fp16');
  });

  it.each([
    ['too few names', ['--classes', 'two'], /4 labels.*`--classes`/],
    ['a name that is no model', ['--model'], /unknown option/],
  ])('refuses %s', async (_, args, message) => {
    written('two', 'cat\ndog');
    const given = args.map((arg) => (arg === 'two' ? join(folder, 'two') : arg));
    const { code, stderr } = await neonsense(['convert', bare, '-o', join(folder, 'x.safetensors'), ...given]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('names the models there are where a name is none', async () => {
    const { code, stderr } = await neonsense(['convert', 'household-fp61', '-o', join(folder, 'x.safetensors')]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/no model of that name comes with neonsense, which has .*household-fp16/);
  });
});
