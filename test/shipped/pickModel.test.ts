import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Classifier } from '../../lib/classify/classifier.js';
import { preprocess } from '../../lib/runtime/preprocess.js';
import { createSession } from '../../lib/runtime/session.js';
import { chooseShipped } from '../../lib/shipped/pickModel.js';
import { randomModel } from '../randomModel.js';

const grey = {
  data: new Uint8Array(64 * 64 * 3).map((_, i) => (i * 7) % 256),
  width: 64,
  height: 64,
  channels: 3,
} as const;

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'neonsense-cache-'));
  vi.stubEnv('XDG_CACHE_HOME', cache);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true, force: true });
});

describe('Classifier.load', () => {
  it('without a model takes the one the rules choose for this CPU, and says why', async () => {
    const { choice: expected } = await chooseShipped();
    await using classifier = await Classifier.load();
    expect(classifier.choice).toEqual(expected);
    expect(expected.reason.length).toBeGreaterThan(10);
    await using same = await Classifier.load({ variant: 'auto', threads: 1 });
    expect(same.choice).toEqual(expected);
  });

  it("computes in half precision with precision 'auto' alone, where the CPU has it", async () => {
    const device = () => ({ features: ['neon', 'dotprod', 'fp16'], availableMemory: 4 * 2 ** 30 });
    const { choice: usual } = await chooseShipped({}, device);
    expect(usual.fp16).toBeUndefined();
    const { choice } = await chooseShipped({ precision: 'auto' }, device);
    expect(choice).toMatchObject({ variant: usual.variant, fp16: true, reason: expect.stringMatching(/has fp16/) });
    const without = () => ({ ...device(), features: ['neon', 'dotprod'] });
    expect((await chooseShipped({ precision: 'auto' }, without)).choice.fp16).toBeUndefined();
  });

  it('takes a shipped model by its name', async () => {
    await using classifier = await Classifier.load(undefined, { variant: 'household-int8-static' });
    expect(classifier.model.precision).toBe('int8-static');
    expect(classifier.choice).toMatchObject({
      variant: 'household-int8-static',
      reason: expect.stringMatching(/by name/),
    });
    expect((await classifier.classify(grey)).predictions).toHaveLength(5);
  });

  it('leaves memory of Node alone when a model of short int8 layers is taken over', async () => {
    await using classifier = await Classifier.load({ variant: 'household-int8-dynamic' });
    expect(classifier.model.precision).toBe('int8-dynamic');
    expect(Buffer.from('still there').toString()).toBe('still there');
  });

  it('with a model of your own chooses nothing unless asked', async () => {
    await using classifier = await Classifier.load(randomModel());
    expect(classifier.choice).toBeUndefined();
    expect(classifier.model.precision).toBe('fp32');
  });

  it("with precision 'auto' measures, keeps the result, and leaves the model given as it was", async () => {
    const model = randomModel();
    await using classifier = await Classifier.load(model, { precision: 'auto', measure: true, threads: 1 });
    expect(Object.keys(classifier.choice!.ms!)).toEqual(['fp32', 'int8-dynamic']);
    expect(classifier.model.precision).toBe(classifier.choice!.variant);
    await using again = await Classifier.load(model, { precision: 'auto', measure: true, threads: 1 });
    expect(again.choice!.reason).toContain(cache);
    expect(again.choice!.ms).toEqual(classifier.choice!.ms);
    await using session = await createSession(model);
    expect(await session.run(preprocess(grey, model.preprocessing))).toHaveLength(10);
  });

  const own = randomModel();
  it.each<[string, unknown, object, RegExp]>([
    ['a variant with a model given', own, { variant: 'auto' }, /a model was given/],
    ['an unknown variant', undefined, { variant: 'int4' }, /'auto' or one of household-fp32.*received "int4"/],
    ['an unknown precision', own, { precision: 'int8' }, /'auto' for `options\.precision`/],
    ['measuring of nothing', own, { measure: true }, /nothing to choose between/],
    ['measuring of one', undefined, { variant: 'household-fp32', measure: true }, /nothing to choose between/],
    ['measure: 1', undefined, { measure: 1 }, /true or false for `options\.measure`/],
    [
      'a variant and a precision',
      undefined,
      { variant: 'household-fp32', precision: 'auto' },
      /no `options\.precision`/,
    ],
    [
      'options with a misspelt name alone',
      { varaint: 'auto' },
      undefined as never,
      /options\.varaint` is not an option/,
    ],
    ['options null', undefined, null as never, /an object for `options`.*null/],
  ])('refuses %s', async (_, source, options, message) => {
    const attempt = Classifier.load(source as never, options);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(attempt).rejects.toThrow(message);
  });
});
