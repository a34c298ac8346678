// Jest and vitest's vm pools compile CommonJS in contexts of their own, where `import()` has nothing to load with.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import vm from 'node:vm';
import { describe, expect, it } from 'vitest';
import type * as Neonsense from '../../lib/index.js';

const root = resolve(import.meta.dirname, '../..');

/** Loads dist/ as such a runner does: each of its files compiled by vm.Script, everything else by Node itself. */
function requireLikeATestRunner(entry: string, replace: (name: string) => unknown = () => undefined): typeof Neonsense {
  const loaded = new Map<string, { exports: unknown }>();
  const load = (file: string): unknown => {
    const known = loaded.get(file);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    loaded.set(file, module);
    const nodes = createRequire(file);
    const require = (name: string): unknown =>
      replace(name) ?? (name.startsWith('.') ? load(resolve(dirname(file), name)) : nodes(name));
    const script =
      new vm.Script(`(function (module, exports, require, __filename, __dirname) {${readFileSync(file, 'utf8')}
})`);
    script.runInThisContext()(module, module.exports, require, file, dirname(file));
    return module.exports;
  };
  return load(entry) as typeof Neonsense;
}

describe('where import() of CommonJS has nothing to load with', () => {
  it('pictures are decoded and classified', async () => {
    const { Classifier } = requireLikeATestRunner(join(root, 'dist/index.cjs'));
    await using classifier = await Classifier.load();
    const { predictions } = await classifier.classify(join(root, 'examples/clock.png'));
    expect(predictions[0]!.label).toBe('clock');
  });
});

describe('a decoder that once failed to load', () => {
  it('is tried again by the next picture', async () => {
    let handlesLeft = false;
    const { Classifier } = requireLikeATestRunner(join(root, 'dist/index.cjs'), (name) => {
      if (name !== 'sharp' || handlesLeft) return undefined;
      throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
    });
    await using classifier = await Classifier.load();
    const picture = join(root, 'examples/clock.png');
    const attempt = classifier.classify(picture);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(attempt).rejects.toThrow(/can't be loaded now: .*limit of open files/);
    handlesLeft = true;
    expect((await classifier.classify(picture)).predictions[0]!.label).toBe('clock');
  });
});
