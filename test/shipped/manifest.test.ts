import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { modelsFolder, readManifest } from '../../lib/shipped/manifest.js';
import { checkManifest } from '../../lib/shipped/manifestSchema.js';

const sound = (): any => ({
  format: 1,
  variants: [
    { name: 'a', file: 'a.safetensors', precision: 'fp32', bytes: 1, sha256: '0'.repeat(64), top1: 0.9, top5: 1 },
    {
      name: 'b',
      file: 'b.safetensors',
      precision: 'int8-dynamic',
      bytes: 1,
      sha256: 'f'.repeat(64),
      top1: 0.8,
      top5: 1,
    },
  ],
  rules: [
    { variant: 'b', anyFeature: ['dotprod'], because: 'x' },
    { variant: 'a', because: 'y' },
  ],
  measure: { maxTop1Loss: 0.01, tolerance: 0.05 },
  selfTest: [{ variant: 'a', logits: [1, 2] }],
});

describe('checkManifest', () => {
  it('takes a sound one', () => {
    expect(checkManifest(sound()).variants.map(({ name, sparse }) => [name, sparse])).toEqual([
      ['a', false],
      ['b', false],
    ]);
  });

  it.each<[string, (manifest: any) => void, RegExp]>([
    ['another format', (m) => (m.format = 2), /Expected 1 for `format` but received 2/],
    ['no variants', (m) => (m.variants = []), /list that is not empty for `variants`/],
    ['a name twice', (m) => (m.variants[1].name = 'a'), /same name/],
    ['a file elsewhere', (m) => (m.variants[0].file = '../../etc/passwd'), /variants\[0\]\.file/],
    ['a file elsewhere, on Windows', (m) => (m.variants[0].file = '..\\a'), /variants\[0\]\.file/],
    ['an unknown precision', (m) => (m.variants[0].precision = 'int4'), /variants\[0\]\.precision.*int4/],
    ['a size of text', (m) => (m.variants[0].bytes = '1'), /variants\[0\]\.bytes/],
    ['a hash that is none', (m) => (m.variants[0].sha256 = 'abc'), /variants\[0\]\.sha256/],
    ['accuracy in percent', (m) => (m.variants[0].top1 = 90), /variants\[0\]\.top1/],
    ['accuracy of nothing', (m) => delete m.variants[0].top1, /variants\[0\]\.top1.*undefined/],
    ['a misspelt condition', (m) => (m.rules[0].anyFeatures = ['x']), /rules\[0\]\.anyFeatures` is not known/],
    ['a rule for no variant', (m) => (m.rules[0].variant = 'c'), /one of a, b for `rules\[0\]\.variant`/],
    ['a rule without a reason', (m) => delete m.rules[1].because, /rules\[1\]\.because/],
    ['memory below 0', (m) => (m.rules[0].availableMemoryBelow = -1), /availableMemoryBelow/],
    ['a last rule with a condition', (m) => m.rules.pop(), /last rule has a condition/],
    ['a rule for a sparse variant', (m) => (m.variants[1].sparse = true), /a rule names b, but sparse/],
    ['logits that are no numbers', (m) => (m.selfTest[0].logits = [1, 'x']), /selfTest\[0\]\.logits\[1\]/],
    ['a self-test without references', (m) => (m.selfTest = []), /list that is not empty for `selfTest`/],
    ['a self-test against INT8', (m) => (m.selfTest[0].variant = 'b'), /a float variant for `selfTest\[0\]/],
  ])('refuses %s', (_, change, message) => {
    const manifest = sound();
    change(manifest);
    expect(() => checkManifest(manifest)).toThrow(message);
  });
});

describe('readManifest', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'neonsense-manifest-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('says where there is none, or a broken one', () => {
    expect(() => readManifest(folder)).toThrow(expect.objectContaining({ code: 'ERR_NOT_FOUND' }));
    for (const text of ['', '{', 'null', '[]']) {
      writeFileSync(join(folder, 'manifest.json'), text);
      expect(() => readManifest(folder)).toThrow(expect.objectContaining({ code: 'ERR_MODEL_FORMAT' }));
    }
  });
});

describe('the shipped manifest', () => {
  it('is sound in every part', () => {
    const file = join(modelsFolder, 'manifest.json');
    expect(checkManifest(JSON.parse(readFileSync(file, 'utf8')), file)).toEqual(readManifest());
  });

  it('describes exactly the files beside it (else run node scripts/train/manifest.mjs)', () => {
    const { variants } = readManifest();
    const files = readdirSync(modelsFolder).filter((name) => /^household-.*\.safetensors$/.test(name));
    expect(variants.map(({ file }) => file).sort()).toEqual(files.sort());
    for (const { file, bytes, sha256 } of variants) {
      const content = readFileSync(join(modelsFolder, file));
      expect([file, content.length]).toEqual([file, bytes]);
      expect([file, createHash('sha256').update(content).digest('hex')]).toEqual([file, sha256]);
    }
  });
});
