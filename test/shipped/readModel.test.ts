import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../../lib/classify/classifier.js';
import { encodeModel } from '../../lib/model/files.js';
import { modelsFolder } from '../../lib/shipped/manifest.js';
import { modelFile, readModel } from '../../lib/shipped/readModel.js';
import { stateDictFile } from '../model/import/torch/checkpoint.js';
import { randomModel } from '../randomModel.js';
import { torchvisionArchitecture } from '../torchvisionArchitecture.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-names-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the name of a model', () => {
  it('stands for the one that comes with the package', async () => {
    expect(modelFile('household-fp16')).toBe(join(modelsFolder, 'household-fp16.safetensors'));
    expect((await readModel('features-imagenet')).architecture.classes).toBe(0);
    await using classifier = await Classifier.load('household-int8-static', { threads: 1 });
    expect(classifier.model.precision).toBe('int8-static');
  });

  it('is a path where it looks like one', () => {
    for (const path of ['a.pth', './household-fp16', 'models/household-fp16']) expect(modelFile(path)).toBe(path);
  });

  it('that none has is answered with those there are', async () => {
    await expect(readModel('household')).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
      message: expect.stringMatching(/comes with neonsense, which has .*household-fp16/),
    });
  });
});

describe('a checkpoint with 1,000 classes and no names', () => {
  const architecture = torchvisionArchitecture('mobilenet_v3_small', { width: 0.25, classes: 1000 });

  it("gets ImageNet's names, each once", async () => {
    const { labels } = await readModel(stateDictFile(randomModel({ architecture })));
    expect([labels[0], labels[281], labels[409], labels[999]]).toEqual([
      ...['tench', 'tabby', 'analog clock', 'toilet tissue'],
    ]);
    expect(new Set(labels).size).toBe(1000);
  });

  it('keeps those it is given', async () => {
    const labels = Array.from({ length: 1000 }, (_, i) => `mine ${i}`);
    expect((await readModel(stateDictFile(randomModel({ architecture })), { labels })).labels).toEqual(labels);
  });
});

describe('translations of labels', () => {
  const translations = { de: ['eins', 'zwei', 'drei', 'vier'], 'pt-BR': ['um', 'dois', 'tres', 'quatro'] };
  const file = (): string => join(folder, 'translated.safetensors');
  beforeAll(() => writeFileSync(file(), encodeModel({ ...randomModel({ classes: 4 }), translations })));

  it('are kept in the file, and one language may be chosen', async () => {
    expect((await readModel(file())).translations).toEqual(translations);
    await using classifier = await Classifier.load(file(), { language: 'pt-BR', threads: 1 });
    expect(classifier.labels).toEqual(translations['pt-BR']);
  });

  it('go with the labels they translate', async () => {
    const read = await readModel(file(), { labels: ['a', 'b', 'c', 'd'] });
    expect(read.translations).toBeUndefined();
    const other = await readModel(file(), { translations: { fr: ['un', 'deux', 'trois', 'quatre'] } });
    expect(Object.keys(other.translations!)).toEqual(['fr']);
  });

  it.each([
    ['too few names', { de: ['eins'] }],
    ['no names', { de: [1, 2, 3, 4] }],
    ['no language', { 'a language': ['1', '2', '3', '4'] }],
    ['no object', ['eins', 'zwei', 'drei', 'vier']],
  ])('are refused where there are %s', async (_, wrong) => {
    const options = { translations: wrong as never };
    await expect(readModel(file(), options)).rejects.toMatchObject({ code: 'ERR_MODEL_ARCHITECTURE' });
    await expect(Classifier.load(file(), options)).rejects.toMatchObject({ code: 'ERR_MODEL_ARCHITECTURE' });
  });

  it.each(['fr', 'constructor'])('do not have %s, which is refused', async (language) => {
    await expect(Classifier.load(file(), { language })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(/\(de, pt-BR\)/),
    });
  });
});
