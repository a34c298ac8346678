import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier, defaultModelPath } from '../../lib/classify/classifier.js';
import { diagnose } from '../../lib/doctor/doctor.js';
import { packageRoot } from '../../lib/package.js';
import { modelsFolder } from '../../lib/shipped/manifest.js';
import { chooseShipped, pickModel } from '../../lib/shipped/pickModel.js';
import { selfTestPicture } from '../../lib/shipped/selfTest.js';

/** What package.json puts into the package. */
const { files } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { files: string[] };
const shipped = files.filter((file) => file.startsWith('models/')).map((file) => basename(file));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-layout-'));
  for (const file of shipped) copyFileSync(join(modelsFolder, file), join(folder, file));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PLENTY = 4 * 2 ** 30;

describe('a models folder as the package has it, without household-fp32', () => {
  it.each([
    ['a CPU with int8 dot products', ['neon', 'dotprod'], PLENTY, 'household-int8-dynamic'],
    ['a CPU without', ['neon'], PLENTY, 'household-fp16'],
    ['a CPU without and little memory', ['neon'], 2 ** 20, 'household-int8-dynamic'],
  ])('has a model for %s', async (_, features, availableMemory, name) => {
    expect(shipped).not.toContain('household-fp32.safetensors');
    const { variant, choice } = await chooseShipped({}, () => ({ features, availableMemory }), folder);
    expect([variant.name, choice.variant]).toEqual([name, name]);
  });

  it('has a float model for programs that ask for one', () => {
    expect(defaultModelPath(folder)).toBe(join(folder, 'household-fp16.safetensors'));
  });

  it.each(['auto', 'household-fp16', 'household-int8-dynamic', 'household-int8-static'])(
    'loads %s, which recognizes the built-in picture',
    async (variant) => {
      const { model } = await pickModel(undefined, { variant }, folder);
      await using classifier = await Classifier.load(model);
      const { predictions } = await classifier.classify(selfTestPicture());
      expect(predictions[0]!.label).toBe('clock');
    },
  );

  it('says which models there are when another is named', async () => {
    await expect(pickModel(undefined, { variant: 'household-fp32' }, folder)).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
      message: expect.stringMatching(/there is household-fp16, household-int8-dynamic, household-int8-static$/),
    });
  });

  it('is healthy, with the float kernels and the stored weights of each kind tried', async () => {
    const report = await diagnose({ models: folder });
    expect(report.problems).toEqual([]);
    const ran = Object.fromEntries(report.selfTest.map((result) => [result.precision, result]));
    expect(ran['fp32']).toMatchObject({ state: 'passed', what: 'household-fp16.safetensors' });
    expect(ran['fp16']).toMatchObject({ state: 'passed', what: 'household-fp16.safetensors' });
    expect(ran['int8-dynamic']).toMatchObject({ state: 'passed', what: 'household-int8-dynamic.safetensors' });
    expect(ran['int8-static']).toMatchObject({ state: 'passed', what: 'household-int8-static.safetensors' });
    expect(
      report.models
        .filter(({ state }) => state === 'present')
        .map(({ file }) => basename(file))
        .sort(),
    ).toEqual(shipped.filter((file) => /^household-.*\.safetensors$/.test(file)).sort());
  });
});
